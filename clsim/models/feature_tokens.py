"""Tokens of a vision transformer from the features of a frozen backbone, in place of patches of pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from open_clip.model import CLIP
from torch import Tensor, nn

from clsim.models.frozen_backbone import FrozenBackbone


class FeatureTokens(nn.Module):
    """Linear map from a feature vector to the tokens of a vision transformer.

    It replaces the patch embedding ``conv1`` of open_clip's ``VisionTransformer``. A hybrid transformer (arXiv
    2010.11929, section 3.1) reads the features of a convolutional network instead of pixels; here these are pooled
    first, so that they are rows that a cache can store.

    Args:
        features: Length ``D`` of the feature vector.
        width: Width ``W`` of the tokens.
        tokens: Number ``T`` of tokens.
        backbone: Backbone for images; None: only features are accepted.

    Example:
        >>> FeatureTokens(12, width=8, tokens=4)(torch.rand(2, 12)).shape
        torch.Size([2, 8, 4])

    """

    def __init__(self, features: int, width: int, tokens: int, backbone: FrozenBackbone | None = None) -> None:
        super().__init__()
        self.width = width
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("std", torch.ones(features))
        self.linear = nn.Linear(features, width * tokens)
        self.backbone = backbone

    mean: Tensor
    std: Tensor

    @torch.no_grad()
    def standardize(self, features: Tensor) -> None:
        """Take over mean and standard deviation of features ``(N, D)``; a constant feature keeps its scale."""
        self.mean.copy_(features.mean(dim=0))
        self.std.copy_(features.std(dim=0).clamp_min(1e-2))

    def forward(self, batch: Tensor) -> Tensor:
        """Return tokens ``(B, W, T)`` of features ``(B, D)``, or of images ``(B, 3, H, W)`` in [0, 1]."""
        features = batch if self.backbone is None else self.backbone(batch)
        tokens: Tensor = self.linear((features - self.mean) / self.std).unflatten(1, (self.width, -1))
        return tokens


def build_clip(architecture: Mapping[str, Any], features: int | None = None) -> CLIP:
    """Return open_clip's CLIP with random weights.

    Args:
        architecture: Keyword arguments of ``open_clip.model.CLIP`` with a ViT as image tower.
        features: Length of the feature vectors that the image tower reads in place of pixels; None: pixels.

    """
    clip = CLIP(**architecture)
    if features is not None:
        visual: Any = clip.visual
        tokens, width = visual.positional_embedding.shape
        visual.conv1 = FeatureTokens(features, width, tokens - 1)  # without the class token
    return clip
