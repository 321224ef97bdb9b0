"""Classifiers on a frozen backbone, whose features are computed once and reused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from clsim.models.classifier import FeatureClassifier
from clsim.models.frozen_backbone import FrozenBackbone
from clsim.utils.errors import ArgumentError

if TYPE_CHECKING:
    from clsim.models.replacement_model import ReplacementModel


class FrozenClassifier(FeatureClassifier):
    """A head on a frozen backbone.

    Every method that takes images ``(B, 3, H, W)`` in [0, 1] also takes the backbone's features ``(B, D)`` in their
    place, see :class:`~clsim.models.frozen_backbone.FrozenBackbone`. An index stores the backbone's features. A
    subclass that stores others overrides :meth:`embed` and :meth:`classify`.

    Args:
        backbone: Network from images in [0, 1] to ``(B, backbone.num_features)``, which is frozen in place.
        head: Module from features ``(B, D)`` to logits ``(B, C)``. It may hold parameters to train, or buffers only.

    Example:
        >>> import torch
        >>> body = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
        >>> body.num_features = 5
        >>> model = FrozenClassifier(body, nn.Linear(5, 3))
        >>> images = torch.rand(2, 3, 2, 2)
        >>> torch.equal(model(images), model(model.embed(images)))
        True

    """

    backbone: FrozenBackbone

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__(backbone if isinstance(backbone, FrozenBackbone) else FrozenBackbone(backbone), head)

    def embed(self, images: Tensor) -> Tensor:
        """Return the backbone's features ``(B, D)``."""
        features: Tensor = self.backbone(images)
        return features

    def classify(self, features: Tensor) -> Tensor:
        """Return logits ``(B, C)``."""
        logits: Tensor = self.head(features)
        return logits

    def _new_head(self, model: ReplacementModel) -> bool:
        """Refuse: a head of any kind was made from features of the old backbone.

        Raises:
            ArgumentError: Always, unless a subclass knows how to start its head over.

        """
        raise ArgumentError(f"{type(self).__name__} cannot take over the replacement model {model.name}")
