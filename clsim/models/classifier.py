"""Classifiers on top of a backbone that return features beside logits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from clsim.models.cpu_parallel import CpuDataParallel
from clsim.models.frozen_backbone import FrozenBackbone
from clsim.models.protocols import ModelOutput
from clsim.utils.arguments import Count, checked

if TYPE_CHECKING:
    from clsim.models.replacement_model import ReplacementModel


class FeatureClassifier(nn.Module, ABC):
    """Base class of classifiers in three parts: backbone, features that an index stores, logits.

    :meth:`outputs` returns logits and features of one pass; :class:`~clsim.training.Strategy` calls it. Calling the
    model returns logits, as PyTorch and Avalanche expect.

    Args:
        backbone: Network from images in [0, 1] to ``(B, backbone.num_features)``.
        head: Network from the backbone's output to logits.

    Attributes:
        features: Features of the last call of the model, where Avalanche's ``FeatureDistillationPlugin`` looks for
            them. Nothing of clsim reads them while it trains by :meth:`outputs`.

    """

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.features: Tensor | None = None

    @property
    def frozen_backbone(self) -> FrozenBackbone | None:
        """The backbone, if it is frozen: then its features may stand in place of images."""
        return self.backbone if isinstance(self.backbone, FrozenBackbone) else None

    @abstractmethod
    def embed(self, images: Tensor) -> Tensor:
        """Return the features to store and compare."""

    @abstractmethod
    def classify(self, features: Tensor) -> Tensor:
        """Return logits over class ids for features."""

    def outputs(self, images: Tensor) -> ModelOutput:
        """Return logits, one for every class id, and features of one pass."""
        features = self.embed(images)
        return ModelOutput(self.classify(features), features)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits, one for every class id."""
        logits, self.features = self.outputs(images)
        return logits

    def replace(self, model: ReplacementModel) -> bool:
        """Take over a copy of the backbone of a replacement model, of any architecture and width.

        In place of a frozen backbone it is frozen, too; else it is trainable.

        Args:
            model: Replacement model, which stays unchanged.

        Returns:
            Whether the head is new and untrained.

        """
        old, new = self.backbone, deepcopy(model.backbone)
        if isinstance(old, FrozenBackbone):
            frozen = isinstance(new, FrozenBackbone)
            self.backbone = new if frozen else FrozenBackbone(new, name=model.name, cache=old.cache)
        else:
            # The number of workers belongs to this machine, not to the model.
            self.backbone = CpuDataParallel(new, old.workers) if isinstance(old, CpuDataParallel) else new
            self.backbone.requires_grad_(True)
        return self._new_head(model)

    @abstractmethod
    def _new_head(self, model: ReplacementModel) -> bool:
        """Put a head on the new backbone; return whether it is untrained."""

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the last features: they belong to a graph, which cannot be copied."""
        return {**self.__dict__, "features": None}


class LinearClassifier(FeatureClassifier):
    """Logits ``W f(x) + b`` over all class ids of a data set; features are the backbone's output ``f(x)``.

    Args:
        backbone: Network from images in [0, 1] to ``(B, backbone.num_features)``.
        classes: Number of class ids.
        bias: Whether there is a ``b``.

    """

    @checked
    def __init__(self, backbone: nn.Module, classes: Count, *, bias: bool = True) -> None:
        width: Any = backbone.num_features
        super().__init__(backbone, nn.Linear(width, classes, bias=bias))

    def embed(self, images: Tensor) -> Tensor:
        """Return ``(B, backbone.num_features)``."""
        features: Tensor = self.backbone(images)
        return features

    def classify(self, features: Tensor) -> Tensor:
        """Return logits ``(B, classes)``."""
        logits: Tensor = self.head(features)
        return logits

    def _new_head(self, model: ReplacementModel) -> bool:
        """Start the classifier over: its rows were directions in the space of the old model."""
        old: Any = self.head
        fresh = nn.Linear(model.width, old.out_features, bias=old.bias is not None)
        self.head = fresh.to(old.weight.device)
        return True
