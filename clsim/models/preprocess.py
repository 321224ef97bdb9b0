"""What every model does to images first, so that a checkpoint carries its own normalisation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Preprocess(nn.Module):
    """Resizes a batch (bicubic, antialiased) and normalises it, on the device where it lies.

    Args:
        mean, std: per channel, for values in [0, 1].
        image_size: side of the square the model takes; ``None`` leaves the size alone.

    Example:
        >>> Preprocess([0.5] * 3, [0.5] * 3, 8)(torch.ones(2, 3, 4, 4)).shape
        torch.Size([2, 3, 8, 8])

    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], image_size: int | None = None) -> None:
        super().__init__()
        self.image_size = image_size
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    mean: Tensor
    std: Tensor

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in [0, 1] to ``(B, 3, image_size, image_size)``, normalised."""
        size = self.image_size
        if size is not None and images.shape[-2:] != (size, size):
            height, width = images.shape[-2:]
            if height != width:
                side = min(height, width)
                top, left = (height - side) // 2, (width - side) // 2
                images = images[..., top : top + side, left : left + side]
            images = F.interpolate(images, (size, size), mode="bicubic", antialias=True).clamp(0.0, 1.0)
        return (images - self.mean) / self.std
