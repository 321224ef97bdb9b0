"""Images with several captions each, for image-text retrieval."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor

from clsim.data.core.checks import (
    check_parts,
    checked_names,
    checked_pixels,
    checked_positions,
    checked_text,
    unchecked_copy,
)
from clsim.data.core.digests import image_digests
from clsim.data.io.cache import Array
from clsim.utils.errors import ArgumentError


@dataclass(frozen=True, eq=False)
class CaptionedImages:
    """N images of one size with their captions.

    Nothing is copied on construction, so the pixels may be memory-mapped.

    Args:
        pixels: RGB images, uint8 ``[N, 3, H, W]``.
        captions: Captions of each image, at least one per image.
        name: Name of the data set.
        traits: Properties of the image files, int32 ``[N, fields of Traits]``; see :mod:`clsim.data.io.convert`.

    Raises:
        ArgumentError: Shapes or dtypes do not match, or an image has no caption.
    """

    pixels: Tensor
    captions: tuple[tuple[str, ...], ...]
    name: str
    traits: Array | None = None

    def __post_init__(self) -> None:
        pixels = checked_pixels(self.pixels, "CaptionedImages")
        if isinstance(self.captions, str) or len(self.captions) != len(pixels):
            what = f"{len(self.captions)} lists of captions for {len(pixels)} images"
            raise ArgumentError(what, where="CaptionedImages")
        where = "CaptionedImages.captions"
        captions = tuple(checked_names(texts, f"{where}.{i}") for i, texts in enumerate(self.captions))
        for number, texts in enumerate(captions):
            if not texts or not all(text.strip() for text in texts):
                raise ArgumentError(f"image {number} has {'an empty' if texts else 'no'} caption", where=where)
        put = partial(object.__setattr__, self)
        put("name", checked_text(self.name, "CaptionedImages.name"))
        put("pixels", pixels)
        put("captions", captions)

    def __repr__(self) -> str:
        """Return name and sizes."""
        height, width = self.pixels.shape[2:]
        captions = sum(map(len, self.captions))
        return f"CaptionedImages({self.name!r}, {len(self):,} images of {height} x {width}, {captions:,} captions)"

    def __len__(self) -> int:
        return len(self.pixels)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """All T captions, image by image."""
        return tuple(text for texts in self.captions for text in texts)

    @cached_property
    def items(self) -> Tensor:
        """Index of the image of each caption: int64 ``[T]``, on the device of the pixels."""
        positions = [position for position, texts in enumerate(self.captions) for _ in texts]
        return torch.tensor(positions, dtype=torch.int64, device=self.pixels.device)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of shape, pixels and captions; the same on every device, memory-mapped or not."""
        digest = hashlib.sha256(json.dumps([list(self.pixels.shape), self.captions]).encode())
        digest.update(self.pixels.cpu().contiguous().numpy().data)
        return digest.hexdigest()

    @cached_property
    def digests(self) -> tuple[bytes, ...]:
        """Digest of each image alone, see :func:`~clsim.data.core.digests.image_digests`."""
        return image_digests(self.pixels)

    def subset(self, indices: Tensor | Sequence[int]) -> CaptionedImages:
        """Return the images at these indices, in this order, with all their captions."""
        chosen = checked_positions(indices, len(self))
        captions = tuple(self.captions[i] for i in chosen.tolist())
        traits = None if self.traits is None else self.traits[chosen.numpy()]
        pixels = self.pixels[chosen.to(self.pixels.device)]
        return unchecked_copy(self, pixels=pixels, captions=captions, traits=traits)

    @property
    def file_side(self) -> int | None:
        """Median shorter side of the image files in pixels, before any resize; None without files."""
        return None if self.traits is None or not len(self.traits) else int(np.median(self.traits[:, 0]))

    def to(self, device: torch.device | str) -> CaptionedImages:
        """Return the images on ``device``, or this object if they are there already."""
        pixels = self.pixels.to(device)
        return self if pixels is self.pixels else unchecked_copy(self, pixels=pixels)


@dataclass(frozen=True, eq=False)
class CaptionDataSet:
    """Training and test images with captions.

    Args:
        name: Name of the data set.
        train: Training images.
        test: Test images.

    Raises:
        ArgumentError: A part is not of type ``CaptionedImages``, or the two have different image sizes.
    """

    name: str
    train: CaptionedImages
    test: CaptionedImages

    def __post_init__(self) -> None:
        checked_text(self.name, "CaptionDataSet.name")
        check_parts(self.train, self.test, CaptionedImages, self.name)
