"""Augmentation of batches on any device: uint8 or float ``[B, 3, H, W]``, without a loop over images.

A transform is called as ``transform(x, generator=None)`` and returns the dtype of ``x``. It draws from ``generator``,
or from the global generator of the device of ``x``. The same generator state gives the same batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from clsim.utils.arguments import Count, Fraction, Positive, Whole, checked_fields


class Transform(Protocol):
    """Callable that transforms a batch of images."""

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """Transform a batch ``[B, 3, H, W]``."""
        ...


class Compose:
    """Sequence of transforms that share one generator.

    Args:
        transforms: Transforms in the order in which they are applied.
    """

    def __init__(self, *transforms: Transform) -> None:
        self.transforms = transforms

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """Apply all transforms in turn to ``[B, 3, H, W]``."""
        for transform in self.transforms:
            x = transform(x, generator)
        return x


@dataclass(frozen=True)
class RandomCrop:
    """Random crop of each image to its own size, after padding all sides.

    Args:
        padding: Width of the border in pixels.
        mode: Content of the border: black pixels, or the image reflected at its edge.
    """

    padding: Whole = 4
    mode: Literal["zeros", "reflect"] = "zeros"

    def __post_init__(self) -> None:
        checked_fields(self)

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """Crop ``[B, 3, H, W]`` without changing its shape."""
        height, width = x.shape[-2:]
        top = _integers(2 * self.padding + 1, x, generator)
        left = _integers(2 * self.padding + 1, x, generator)
        # `unfold` is a view of all windows; indexing copies one per image.
        windows = _pad(x, self.padding, self.mode).unfold(2, height, 1).unfold(3, width, 1)
        return windows[torch.arange(len(x), device=x.device), :, top, left]


@dataclass(frozen=True)
class HorizontalFlip:
    """Random horizontal flip.

    Args:
        probability: Probability with which each image is flipped.
    """

    probability: Fraction = 0.5

    def __post_init__(self) -> None:
        checked_fields(self)

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """Flip ``[B, 3, H, W]`` without changing its shape."""
        flipped = _uniform(1, x, generator) < self.probability
        return torch.where(flipped.view(-1, 1, 1, 1), x.flip(3), x)


@dataclass(frozen=True)
class Resize:
    """Bicubic resize to a square, with antialiasing when the images shrink, as in PIL.

    Args:
        size: Side of the result in pixels.
    """

    size: Count

    def __post_init__(self) -> None:
        checked_fields(self)

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """Resize ``[B, 3, H, W]`` to ``[B, 3, size, size]``; return a batch of that size unchanged."""
        if x.shape[-2:] == (self.size, self.size):
            return x
        resized = F.interpolate(_as_float(x), (self.size, self.size), mode="bicubic", antialias=True)
        return _to_dtype_of(x, resized)


@dataclass(frozen=True)
class RandomResizedCrop:
    """Crop of a random rectangle, resampled bilinearly to a square.

    A side of the rectangle that does not fit is cut to the side of the image ("Going deeper with convolutions",
    Szegedy et al. 2014, section 6).

    Args:
        size: Side of the result in pixels.
        scale: Range of the rectangle's area as a fraction of the image, drawn uniformly.
        ratio: Range of the rectangle's width / height, drawn uniformly in the logarithm.
    """

    size: Count
    scale: tuple[Fraction, Fraction] = (0.08, 1.0)
    ratio: tuple[Positive, Positive] = (3 / 4, 4 / 3)

    def __post_init__(self) -> None:
        checked_fields(self)

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """Crop and resize ``[B, 3, H, W]`` to ``[B, 3, size, size]``."""
        area, shape, x_place, y_place = _uniform(4, x, generator).unbind(1)
        area = self.scale[0] + area * (self.scale[1] - self.scale[0])
        low, high = torch.tensor(self.ratio).log().tolist()
        ratio = (low + shape * (high - low)).exp() * (x.shape[-2] / x.shape[-1])
        width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
        # affine_grid spans -1..1 over the image, so a window of half-size w has its center within +-(1 - w).
        theta = torch.zeros(len(x), 2, 3, device=x.device)
        theta[:, 0, 0], theta[:, 1, 1] = width, height
        theta[:, 0, 2], theta[:, 1, 2] = (2 * x_place - 1) * (1 - width), (2 * y_place - 1) * (1 - height)
        values = _as_float(x)
        grid = F.affine_grid(theta, [*x.shape[:2], self.size, self.size], align_corners=False).to(values.dtype)
        return _to_dtype_of(x, F.grid_sample(values, grid, padding_mode="border", align_corners=False))


@dataclass(frozen=True)
class Cutout:
    """Black square at a random position, cut off at the border (arXiv 1708.04552).

    Args:
        size: Side of the square in pixels.
    """

    size: Whole

    def __post_init__(self) -> None:
        checked_fields(self)

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """Black out one square in each image of ``[B, 3, H, W]`` without changing its shape."""
        rows = self._covered(x.shape[-2], x, generator)
        columns = self._covered(x.shape[-1], x, generator)
        return x.masked_fill((rows.unsqueeze(2) & columns.unsqueeze(1)).unsqueeze(1), 0)

    def _covered(self, length: int, x: Tensor, generator: Generator | None) -> Tensor:
        """Return the pixels along one axis that the square covers: bool ``[B, length]``."""
        start = _integers(length, x, generator) - self.size // 2
        pixel = torch.arange(length, device=x.device)
        return (pixel >= start.unsqueeze(1)) & (pixel < start.unsqueeze(1) + self.size)


def _integers(limit: int, x: Tensor, generator: Generator | None) -> Tensor:
    """Draw one integer below ``limit`` per image of ``x``, on the device of the generator."""
    device = generator.device if generator is not None else x.device
    return torch.randint(limit, (len(x),), generator=generator, device=device).to(x.device, non_blocking=True)


def _uniform(count: int, x: Tensor, generator: Generator | None) -> Tensor:
    """Draw ``count`` values in [0, 1) per image of ``x``: ``[B, count]``."""
    device = generator.device if generator is not None else x.device
    return torch.rand(len(x), count, generator=generator, device=device).to(x.device, non_blocking=True)


def _pad(x: Tensor, padding: int, mode: str) -> Tensor:
    if mode == "zeros":
        return F.pad(x, (padding,) * 4)
    # torch has no reflection padding for uint8. Gather mirrored rows, then columns, without repeating the edge.
    for axis in (2, 3):
        last = x.shape[axis] - 1
        position = torch.arange(-padding, last + padding + 1, device=x.device).abs()
        x = x.index_select(axis, last - (last - position).abs())
    return x


def _as_float(x: Tensor) -> Tensor:
    return x if x.is_floating_point() else x.float()


def _to_dtype_of(x: Tensor, values: Tensor) -> Tensor:
    return values if x.is_floating_point() else values.round_().clamp_(0, 255).to(x.dtype)
