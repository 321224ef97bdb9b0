"""Resize and normalization of images, part of every model so that a checkpoint implies them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Interpolation = Literal["bicubic", "bilinear"]
ResizeMode = Literal["shortest", "squash", "longest"]


class Preprocess(nn.Module):
    """Resizes a batch (antialiased) and normalizes it, on its device.

    Args:
        mean: Mean per channel, for values in [0, 1].
        std: Standard deviation per channel.
        image_size: Side of the square that the model requires; None: no resize.
        interpolation: Kernel of the resize.
        resize_mode: Treatment of an image that is not square. ``shortest`` crops its middle, ``squash`` ignores the
            aspect ratio, ``longest`` fits the whole image in and pads with black.

    Example:
        >>> Preprocess([0.5] * 3, [0.5] * 3, 8)(torch.ones(2, 3, 4, 4)).shape
        torch.Size([2, 3, 8, 8])

    """

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        image_size: int | None = None,
        *,
        interpolation: Interpolation = "bicubic",
        resize_mode: ResizeMode = "shortest",
    ) -> None:
        super().__init__()
        self.image_size = image_size
        self.interpolation: Interpolation = interpolation
        self.resize_mode: ResizeMode = resize_mode
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    mean: Tensor
    std: Tensor

    def extra_repr(self) -> str:
        """Return all settings: they decide the features of a model, whose address contains this text."""
        mean, std = (", ".join(f"{value:.9g}" for value in part.flatten().tolist()) for part in (self.mean, self.std))
        return f"mean=({mean}), std=({std}), {self.image_size}, {self.interpolation}, {self.resize_mode}"

    def forward(self, images: Tensor) -> Tensor:
        """Return normalized ``(B, 3, image_size, image_size)`` for images ``(B, 3, H, W)`` in [0, 1]."""
        size = self.image_size
        if size is not None and images.shape[-2:] != (size, size):
            height, width = images.shape[-2:]
            target = (size, size)
            if height != width and self.resize_mode == "shortest":
                side = min(height, width)
                top, left = (height - side) // 2, (width - side) // 2
                images = images[..., top : top + side, left : left + side]
            elif self.resize_mode == "longest":
                scale = size / max(height, width)
                target = (max(1, round(height * scale)), max(1, round(width * scale)))
            images = F.interpolate(images, target, mode=self.interpolation, antialias=True).clamp(0.0, 1.0)
            images = _padded(images, size)
        return (images - self.mean) / self.std


def _padded(images: Tensor, size: int) -> Tensor:
    """Center images in a black square."""
    height, width = images.shape[-2:]
    if (height, width) == (size, size):
        return images
    top, left = (size - height) // 2, (size - width) // 2
    return F.pad(images, (left, size - width - left, top, size - height - top))
