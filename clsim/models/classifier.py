"""Classifiers on top of a backbone that give features too, and the image tower of a CLIP as a backbone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from clsim.arguments import Count, checked
from clsim.models.lanes import Lanes

if TYPE_CHECKING:
    from clsim.models.arrival import Arrival
    from clsim.models.clip import LoadedClip


class FeatureClassifier(nn.Module, ABC):
    """A classifier in three steps: images to a backbone's output, to features that can be stored, to logits.

    Args:
        backbone: images in [0, 1] to ``(B, backbone.num_features)``.
        head: the backbone's output to logits.

    Attributes:
        features: those of the last batch that went through :meth:`forward`, for losses on features.

    """

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.features: Tensor | None = None

    @abstractmethod
    def embed(self, images: Tensor) -> Tensor:
        """Features to store and compare."""

    @abstractmethod
    def classify(self, features: Tensor) -> Tensor:
        """Features to logits over class ids."""

    def forward(self, images: Tensor) -> Tensor:
        """Logits, one for every class id."""
        self.features = self.embed(images)
        return self.classify(self.features)

    def replace(self, arrival: Arrival) -> bool:
        """Takes over a copy of the backbone of a model that arrives, whatever its architecture and width.

        Returns:
            Whether the head was made anew and knows nothing, so that something should be done about it.

        """
        old, new = self.backbone, deepcopy(arrival.backbone)
        # The lanes belong to this machine, not to the model.
        self.backbone = Lanes(new, old.lanes) if isinstance(old, Lanes) else new
        self.backbone.requires_grad_(True)
        return self._new_head(arrival)

    @abstractmethod
    def _new_head(self, arrival: Arrival) -> bool:
        """Puts a head on the new backbone; whether it knows nothing."""

    def __getstate__(self) -> dict[str, Any]:
        """Without the last batch's features, which hang on a graph and cannot be copied."""
        return {**self.__dict__, "features": None}


class LinearClassifier(FeatureClassifier):
    """``W f(x) + b`` over all class ids of a data set; features are the backbone's output ``f(x)``.

    Args:
        backbone: images in [0, 1] to ``(B, backbone.num_features)``.
        classes: number of class ids.
        bias: whether there is a ``b``.

    """

    @checked
    def __init__(self, backbone: nn.Module, classes: Count, *, bias: bool = True) -> None:
        width: Any = backbone.num_features
        super().__init__(backbone, nn.Linear(width, classes, bias=bias))

    def embed(self, images: Tensor) -> Tensor:
        """``(B, backbone.num_features)``."""
        features: Tensor = self.backbone(images)
        return features

    def classify(self, features: Tensor) -> Tensor:
        """Logits ``(B, classes)``."""
        logits: Tensor = self.head(features)
        return logits

    def _new_head(self, arrival: Arrival) -> bool:
        """Starts the classifier over: its rows were directions in the space of the model that left."""
        old: Any = self.head
        fresh = nn.Linear(arrival.width, old.out_features, bias=old.bias is not None)
        self.head = fresh.to(old.weight.device)
        return True


class ClipImageTower(nn.Module):
    """The image tower of a CLIP, trainable, as a backbone: images in [0, 1] to ``(B, num_features)``."""

    def __init__(self, clip: LoadedClip) -> None:
        super().__init__()
        visual: Any = clip.model.visual
        self.preprocess = clip.preprocess()
        self.visual = visual.requires_grad_(True)
        self.num_features = int(visual.output_dim)
        self.weights_sha256 = clip.sha256
        self.clip_facts = clip.facts()

    def forward(self, images: Tensor) -> Tensor:
        """Image features before normalisation."""
        features: Tensor = self.visual(self.preprocess(images))
        return features
