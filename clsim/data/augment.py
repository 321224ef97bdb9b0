"""Augmentation of whole batches: uint8 or float ``[B, 3, H, W]`` on any device, without a loop over images.

Every transform is called as ``transform(x, generator=None)`` and keeps the type of ``x``. Its random numbers
come from ``generator``, or from the global generator of the device of ``x``; the same generator state gives
the same batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from clsim.utils.arguments import Count, Fraction, Positive, Whole, checked_fields


class Transform(Protocol):
    """What :class:`Compose` composes."""

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """Transform a batch ``[B, 3, H, W]``."""
        ...


class Compose:
    """Several transforms, one after the other, that share one generator."""

    def __init__(self, *transforms: Transform) -> None:
        self.transforms = transforms

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """Apply each in turn to ``[B, 3, H, W]``."""
        for transform in self.transforms:
            x = transform(x, generator)
        return x


@dataclass(frozen=True)
class RandomCrop:
    """Pad every side by ``padding`` pixels; cut a window of the old size at a random place of each image."""

    padding: Whole = 4
    mode: Literal["zeros", "reflect"] = "zeros"

    def __post_init__(self) -> None:
        checked_fields(self)

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """``[B, 3, H, W]`` to the same shape."""
        height, width = x.shape[-2:]
        top = _integers(2 * self.padding + 1, x, generator)
        left = _integers(2 * self.padding + 1, x, generator)
        # A view of every window of every image; choosing one per image copies only what is kept.
        windows = _pad(x, self.padding, self.mode).unfold(2, height, 1).unfold(3, width, 1)
        return windows[torch.arange(len(x), device=x.device), :, top, left]


@dataclass(frozen=True)
class HorizontalFlip:
    """Mirror each image left to right with this probability."""

    probability: Fraction = 0.5

    def __post_init__(self) -> None:
        checked_fields(self)

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """``[B, 3, H, W]`` to the same shape."""
        flipped = _uniform(1, x, generator) < self.probability
        return torch.where(flipped.view(-1, 1, 1, 1), x.flip(3), x)


@dataclass(frozen=True)
class Resize:
    """Resample to ``size`` x ``size`` pixels, bicubic, antialiased when shrinking (as PIL does)."""

    size: Count

    def __post_init__(self) -> None:
        checked_fields(self)

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """``[B, 3, H, W]`` to ``[B, 3, size, size]``; a batch of that size is returned as it is."""
        if x.shape[-2:] == (self.size, self.size):
            return x
        resized = F.interpolate(_as_float(x), (self.size, self.size), mode="bicubic", antialias=True)
        return _as_type_of(x, resized)


@dataclass(frozen=True)
class RandomResizedCrop:
    """Cut a random rectangle of each image and resample it to ``size`` x ``size``, bilinear.

    The rectangle covers a fraction of the image drawn evenly from ``scale``; its width / height is drawn from
    ``ratio``, evenly in the logarithm; a side that would not fit is cut to the image's ("Going deeper with
    convolutions", Szegedy et al. 2014, section 6).
    """

    size: Count
    scale: tuple[Fraction, Fraction] = (0.08, 1.0)
    ratio: tuple[Positive, Positive] = (3 / 4, 4 / 3)

    def __post_init__(self) -> None:
        checked_fields(self)

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """``[B, 3, H, W]`` to ``[B, 3, size, size]``."""
        area, shape, x_place, y_place = _uniform(4, x, generator).unbind(1)
        area = self.scale[0] + area * (self.scale[1] - self.scale[0])
        low, high = torch.tensor(self.ratio).log().tolist()
        ratio = (low + shape * (high - low)).exp() * (x.shape[-2] / x.shape[-1])
        width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
        # affine_grid spans -1..1 over the image: a window of half-size w may be centred within +-(1 - w).
        theta = torch.zeros(len(x), 2, 3, device=x.device)
        theta[:, 0, 0], theta[:, 1, 1] = width, height
        theta[:, 0, 2], theta[:, 1, 2] = (2 * x_place - 1) * (1 - width), (2 * y_place - 1) * (1 - height)
        values = _as_float(x)
        grid = F.affine_grid(theta, [*x.shape[:2], self.size, self.size], align_corners=False).to(values.dtype)
        return _as_type_of(x, F.grid_sample(values, grid, padding_mode="border", align_corners=False))


@dataclass(frozen=True)
class Cutout:
    """Blacken a ``size`` x ``size`` square about a random pixel, cut off at the border (arXiv 1708.04552)."""

    size: Whole

    def __post_init__(self) -> None:
        checked_fields(self)

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """``[B, 3, H, W]`` to the same shape."""
        hidden_rows = self._hidden(x.shape[-2], x, generator)
        hidden_columns = self._hidden(x.shape[-1], x, generator)
        return x.masked_fill((hidden_rows.unsqueeze(2) & hidden_columns.unsqueeze(1)).unsqueeze(1), 0)

    def _hidden(self, length: int, x: Tensor, generator: Generator | None) -> Tensor:
        """Which of ``length`` pixels the square hides along one axis, per image: bool ``[B, length]``."""
        start = _integers(length, x, generator) - self.size // 2
        pixel = torch.arange(length, device=x.device)
        return (pixel >= start.unsqueeze(1)) & (pixel < start.unsqueeze(1) + self.size)


def _integers(limit: int, x: Tensor, generator: Generator | None) -> Tensor:
    """One integer in ``0 .. limit - 1`` per image of ``x``, drawn where the generator lives."""
    device = generator.device if generator is not None else x.device
    return torch.randint(limit, (len(x),), generator=generator, device=device).to(x.device, non_blocking=True)


def _uniform(numbers: int, x: Tensor, generator: Generator | None) -> Tensor:
    """``numbers`` values in [0, 1) per image of ``x``: ``[B, numbers]``."""
    device = generator.device if generator is not None else x.device
    return torch.rand(len(x), numbers, generator=generator, device=device).to(x.device, non_blocking=True)


def _pad(x: Tensor, padding: int, mode: str) -> Tensor:
    if mode == "zeros":
        return F.pad(x, (padding,) * 4)
    # torch has no reflection padding for uint8: gather mirrored rows, then columns (no edge pixel twice).
    for axis in (2, 3):
        last = x.shape[axis] - 1
        place = torch.arange(-padding, last + padding + 1, device=x.device).abs()
        x = x.index_select(axis, last - (last - place).abs())
    return x


def _as_float(x: Tensor) -> Tensor:
    return x if x.is_floating_point() else x.float()


def _as_type_of(x: Tensor, values: Tensor) -> Tensor:
    return values if x.is_floating_point() else values.round_().clamp_(0, 255).to(x.dtype)
