"""Images as one uint8 tensor with labels, class names and a hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor

from clsim.data.core.checks import (
    check_parts,
    checked_labels,
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
class Images:
    """N labeled images of one size.

    Nothing is copied on construction, so the pixels may be memory-mapped. Numpy arrays are converted.

    Args:
        pixels: RGB images, uint8 ``[N, 3, H, W]``.
        labels: Class ids, int64 ``[N]``, as indices into ``class_names``.
        class_names: Names of all classes of the data set, including those without an image here.
        name: Name of the data set.
        paths: Path of each image file; None if the images were not read from image files.
        traits: Properties of these files, int32 ``[N, fields of Traits]``; see :mod:`clsim.data.io.convert`.

    Raises:
        ArgumentError: Shapes or dtypes do not match, or a label is not an index into ``class_names``.

    Example:
        >>> images = Images(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), [0, 1, 0, 1], ("cat", "dog"), "pets")
        >>> images.subset([1, 3]).labels
        tensor([1, 1])
        >>> images
        Images('pets', 4 images of 8 x 8, 2 classes)
    """

    pixels: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    name: str
    paths: tuple[str, ...] | None = None
    traits: Array | None = None

    def __post_init__(self) -> None:
        pixels = checked_pixels(self.pixels, "Images")
        names = checked_names(self.class_names, "Images.class_names")
        put = partial(object.__setattr__, self)
        put("name", checked_text(self.name, "Images.name"))
        put("pixels", pixels)
        put("class_names", names)
        put("labels", checked_labels(self.labels, len(pixels), len(names), pixels.device, "Images"))
        if self.paths is not None:
            put("paths", checked_names(self.paths, "Images.paths"))
            if len(self.paths) != len(pixels):
                raise ArgumentError(f"{len(self.paths)} paths for {len(pixels)} images", where="Images")

    def __repr__(self) -> str:
        """Return name and sizes; a notebook would show a million numbers otherwise."""
        height, width = self.pixels.shape[2:]
        return f"Images({self.name!r}, {len(self):,} images of {height} x {width}, {len(self.class_names):,} classes)"

    def __len__(self) -> int:
        return len(self.pixels)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of shape, pixels, labels and class names; the same on every device, memory-mapped or not."""
        digest = hashlib.sha256(repr((tuple(self.pixels.shape), self.class_names)).encode())
        digest.update(self.pixels.cpu().contiguous().numpy().data)
        digest.update(self.labels.cpu().contiguous().numpy().astype("<i8").tobytes())
        return digest.hexdigest()

    @cached_property
    def digests(self) -> tuple[bytes, ...]:
        """Digest of each image alone, see :func:`~clsim.data.core.digests.image_digests`."""
        return image_digests(self.pixels)

    def subset(self, indices: Tensor | Sequence[int]) -> Images:
        """Return the images at these indices, in this order, with the same class ids."""
        chosen = checked_positions(indices, len(self))
        at = chosen.to(self.pixels.device)
        paths = None if self.paths is None else tuple(self.paths[i] for i in chosen.tolist())
        traits = None if self.traits is None else self.traits[chosen.numpy()]
        return unchecked_copy(self, pixels=self.pixels[at], labels=self.labels[at], paths=paths, traits=traits)

    @property
    def file_side(self) -> int | None:
        """Median shorter side of the image files in pixels, before any resize; None without files."""
        return None if self.traits is None or not len(self.traits) else int(np.median(self.traits[:, 0]))

    def first_of_each(self, classes: Iterable[int], count: int | None = None) -> list[Tensor]:
        """Return the indices of the first ``count`` images of each class (None: of all), on the CPU."""
        labels = self.labels.cpu()
        return [(labels == label).nonzero().flatten()[:count] for label in classes]

    def to(self, device: torch.device | str) -> Images:
        """Return the images on ``device``, or this object if they are there already."""
        pixels, labels = self.pixels.to(device), self.labels.to(device)
        if pixels is self.pixels and labels is self.labels:
            return self
        return unchecked_copy(self, pixels=pixels, labels=labels)


@dataclass(frozen=True, eq=False)
class DataSet:
    """Training and test images with the same classes.

    Args:
        name: Name of the data set.
        train: Training images.
        test: Test images.

    Raises:
        ArgumentError: A part is not of type ``Images``, or the two differ in image size or in class names.
    """

    name: str
    train: Images
    test: Images

    def __post_init__(self) -> None:
        checked_text(self.name, "DataSet.name")
        check_parts(self.train, self.test, Images, self.name)
        if self.train.class_names != self.test.class_names:
            raise ArgumentError("training and test images must name the same classes", where=self.name)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of all classes, by class id."""
        return self.train.class_names
