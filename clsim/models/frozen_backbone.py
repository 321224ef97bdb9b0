"""A frozen backbone that accepts its own features in place of images."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from clsim.utils.errors import ArgumentError

LAYOUT = torch.channels_last
"""Memory layout of images and weights, in which convolutions on the CPU are faster."""


class FrozenBackbone(nn.Module):
    """Backbone that nothing trains: always in evaluation mode, without gradients.

    A batch is images, or rows of features that this backbone returned for them earlier. Rows pass through unchanged. So
    a classifier on top learns and predicts on stored features without a pass of the backbone.

    Args:
        module: Network from images in [0, 1], ``(B, 3, H, W)``, to ``(B, module.num_features)``. Its parameters are
            frozen in place.

    Attributes:
        num_features: Length ``D`` of a row.

    Example:
        >>> body = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
        >>> body.num_features = 5
        >>> backbone = FrozenBackbone(body)
        >>> rows = backbone(torch.rand(2, 3, 2, 2))
        >>> backbone(rows) is rows, backbone.train().training, rows.requires_grad
        (True, False, False)

    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        width: Any = module.num_features
        self.num_features = int(width)
        self.module = module.requires_grad_(False).to(memory_format=LAYOUT)
        self.train()

    def train(self, mode: bool = True) -> FrozenBackbone:
        """Stay in evaluation mode, also while the classifier trains."""
        return super().train(False)

    def forward(self, batch: Tensor) -> Tensor:
        """Return features ``(B, D)`` in float32 of images ``(B, 3, H, W)``, or a batch ``(B, D)`` of them unchanged.

        Raises:
            ArgumentError: The batch is neither images nor rows of this length.

        """
        if batch.ndim == 2 and batch.shape[1] == self.num_features and batch.is_floating_point():
            return batch
        if batch.ndim != 4:
            what = f"a batch must be images (B, 3, H, W) or features (B, {self.num_features})"
            raise ArgumentError(f"{what}, got {str(batch.dtype).removeprefix('torch.')} {list(batch.shape)}")
        with torch.no_grad():
            features: Tensor = self.module(batch.contiguous(memory_format=LAYOUT))
        return features.float()
