"""Images with several captions each, for retrieval between images and texts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from clsim.data.cache import Array


@dataclass(frozen=True, eq=False)
class CaptionedImages:
    """N images of one size; nothing is copied on construction, so pixels may be memory-mapped.

    Args:
        pixels: uint8 ``[N, 3, H, W]``, RGB.
        captions: for every image its captions, at least one.
        name: of the data set.
        traits: int32 ``[N, fields of Traits]``, what the files were like; see :mod:`clsim.data.convert`.

    Raises:
        ValueError: the shapes or types do not fit together, or an image has no caption.
    """

    pixels: Tensor
    captions: tuple[tuple[str, ...], ...]
    name: str
    traits: Array | None = None

    def __post_init__(self) -> None:
        pixels = self.pixels
        if pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[1] != 3:
            raise ValueError(f"pixels must be uint8 [N, 3, H, W], not {pixels.dtype} {list(pixels.shape)}")
        if len(self.captions) != len(pixels):
            raise ValueError(f"captions of {len(self.captions)} images for {len(pixels)} images")
        if not all(self.captions):
            raise ValueError(f"image {next(i for i, texts in enumerate(self.captions) if not texts)} has no caption")

    def __len__(self) -> int:
        return len(self.pixels)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """All T captions, image by image."""
        return tuple(text for texts in self.captions for text in texts)

    @cached_property
    def items(self) -> Tensor:
        """The position of the image of each text: int64 ``[T]``, where the pixels are."""
        positions = [position for position, texts in enumerate(self.captions) for _ in texts]
        return torch.tensor(positions, dtype=torch.int64, device=self.pixels.device)

    @cached_property
    def sha256(self) -> str:
        """Hash of shape, pixels and captions; the same on every device, memory-mapped or not."""
        digest = hashlib.sha256(json.dumps([list(self.pixels.shape), self.captions]).encode())
        digest.update(self.pixels.cpu().contiguous().numpy().data)
        return digest.hexdigest()

    def subset(self, indices: Tensor | Sequence[int]) -> CaptionedImages:
        """The images at these positions, in this order, with all their captions."""
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        captions = tuple(self.captions[i] for i in chosen.tolist())
        traits = None if self.traits is None else self.traits[chosen.cpu().numpy()]
        return replace(self, pixels=self.pixels[chosen.to(self.pixels.device)], captions=captions, traits=traits)

    @property
    def file_side(self) -> int | None:
        """Median of the short sides of the files in pixels, before any was resized; None without files."""
        return None if self.traits is None or not len(self.traits) else int(np.median(self.traits[:, 0]))

    def to(self, device: torch.device | str) -> CaptionedImages:
        """The same images on another device (this object itself if they are there already)."""
        pixels = self.pixels.to(device)
        return self if pixels is self.pixels else replace(self, pixels=pixels)


@dataclass(frozen=True, eq=False)
class CaptionDataSet:
    """Training and test images with captions."""

    name: str
    train: CaptionedImages
    test: CaptionedImages
