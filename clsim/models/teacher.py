"""The teacher of a distilled CLIP: a frozen ImageNet classifier whose features its image tower reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from clsim.models.checkpoints import weights_sha256
from clsim.models.frozen_backbone import FrozenBackbone
from clsim.models.pretrained import load_backbone, load_imagenet_classifier
from clsim.utils.errors import UserError

TEACHER_WEIGHTS = "visual.conv1.backbone."
"""Prefix of the teacher's weights in a CLIP. They are not stored with it, since their package contains them."""


@dataclass(frozen=True)
class TeacherFacts:
    """What a file notes of the teacher.

    Attributes:
        model: timm's name.
        features: Length of its features.
        sha256: Hash of its weights without the classifier.

    """

    model: str
    features: int
    sha256: str

    @classmethod
    def read(cls, metadata: Mapping[str, str]) -> TeacherFacts | None:
        """Return the teacher that a file's metadata name, if any.

        Raises:
            TypeError, ValueError: The entry is damaged.

        """
        return cls(**json.loads(metadata["teacher"])) if "teacher" in metadata else None

    def written(self) -> dict[str, str]:
        """Return the entry of a file's metadata."""
        return {"teacher": json.dumps(asdict(self))}

    def attach(self, clip: nn.Module, image_size: int) -> None:
        """Load the teacher, and let the image tower of a CLIP see images through it.

        Raises:
            UserError: The weights at hand are not those that the CLIP was made with.
            WeightsMissing: They are not installed.

        """
        teacher = load_teacher(self.model, image_size)
        if teacher.facts != self:
            raise UserError(f"the weights of {self.model} are not those that this CLIP was made with")
        visual: Any = clip.visual
        visual.conv1.backbone = teacher.backbone


@dataclass(frozen=True, eq=False)
class Teacher:
    """Frozen ImageNet classifier in two parts.

    Attributes:
        facts: Identity of the weights.
        backbone: Network from images in [0, 1] to features ``(B, D)``.
        classifier: Layer from features to logits ``(B, C)``.

    """

    facts: TeacherFacts
    backbone: FrozenBackbone
    classifier: nn.Linear


def load_teacher(model: str, image_size: int) -> Teacher:
    """Load a teacher from the package of its weights.

    Args:
        model: timm's name.
        image_size: Side that images are resized to, in pixels.

    Raises:
        UserError: See :func:`~clsim.models.pretrained.load_backbone`.
        WeightsMissing: See there.

    """
    backbone = FrozenBackbone(load_backbone(model, image_size=image_size), name=model)
    classifier = load_imagenet_classifier(model)
    facts = TeacherFacts(model, backbone.num_features, weights_sha256(backbone.module))
    return Teacher(facts, backbone, classifier)
