"""Classifiers on top of a backbone that return features too."""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from clsim.models.cpu_parallel import CpuDataParallel
from clsim.utils.arguments import Count, checked

if TYPE_CHECKING:
    from clsim.models.replacement_model import ReplacementModel


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

    def replace(self, arrival: ReplacementModel) -> bool:
        """Takes over a copy of the backbone of a model that arrives, whatever its architecture and width.

        Returns:
            Whether the head was made anew and knows nothing, so that something should be done about it.

        """
        old, new = self.backbone, deepcopy(arrival.backbone)
        # The lanes belong to this machine, not to the model.
        self.backbone = CpuDataParallel(new, old.lanes) if isinstance(old, CpuDataParallel) else new
        self.backbone.requires_grad_(True)
        return self._new_head(arrival)

    @abstractmethod
    def _new_head(self, arrival: ReplacementModel) -> bool:
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

    def _new_head(self, arrival: ReplacementModel) -> bool:
        """Starts the classifier over: its rows were directions in the space of the model that left."""
        old: Any = self.head
        fresh = nn.Linear(arrival.width, old.out_features, bias=old.bias is not None)
        self.head = fresh.to(old.weight.device)
        return True
