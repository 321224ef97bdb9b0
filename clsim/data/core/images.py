"""Images as one resident uint8 tensor with labels, class names and a hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, partial
from typing import Any

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
)
from clsim.data.io.cache import Array
from clsim.utils.errors import ArgumentError


@dataclass(frozen=True, eq=False)
class Images:
    """N labelled images of one size; nothing is copied on construction, so pixels may be memory-mapped.

    Args:
        pixels: uint8 ``[N, 3, H, W]``, RGB.
        labels: int64 ``[N]``, positions in ``class_names``.
        class_names: every class of the data set, also those that have no image here.
        name: of the data set.
        paths: where each image came from, if it was a file of its own.
        traits: int32 ``[N, fields of Traits]``, what those files were like; see :mod:`clsim.data.io.convert`.

    Numbers and arrays of numpy are welcome.

    Raises:
        ArgumentError: shapes or types do not fit together, or a label is no position in ``class_names``.
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

    def _with(self, **changes: Any) -> Images:
        """These images with other fields that need no check; one on a GPU would wait for it."""
        made = object.__new__(type(self))
        kept = {field.name: getattr(self, field.name) for field in fields(self)}
        made.__dict__.update(kept | changes)
        return made

    def __len__(self) -> int:
        return len(self.pixels)

    @cached_property
    def sha256(self) -> str:
        """Hash of shape, pixels, labels and class names; the same on every device, memory-mapped or not."""
        digest = hashlib.sha256(repr((tuple(self.pixels.shape), self.class_names)).encode())
        digest.update(self.pixels.cpu().contiguous().numpy().data)
        digest.update(self.labels.cpu().contiguous().numpy().astype("<i8").tobytes())
        return digest.hexdigest()

    def subset(self, indices: Tensor | Sequence[int]) -> Images:
        """The images at these positions, in this order, with the same class ids."""
        chosen = checked_positions(indices, len(self))
        at = chosen.to(self.pixels.device)
        paths = None if self.paths is None else tuple(self.paths[i] for i in chosen.tolist())
        traits = None if self.traits is None else self.traits[chosen.numpy()]
        return self._with(pixels=self.pixels[at], labels=self.labels[at], paths=paths, traits=traits)

    @property
    def file_side(self) -> int | None:
        """Median of the short sides of the files in pixels, before any was resized; None without files."""
        return None if self.traits is None or not len(self.traits) else int(np.median(self.traits[:, 0]))

    def first_of_each(self, classes: Iterable[int], count: int | None = None) -> list[Tensor]:
        """Positions of the first ``count`` images of each of the classes, or of all of them; on the CPU."""
        labels = self.labels.cpu()
        return [(labels == label).nonzero().flatten()[:count] for label in classes]

    def to(self, device: torch.device | str) -> Images:
        """The same images on another device (this object itself if they are there already)."""
        pixels, labels = self.pixels.to(device), self.labels.to(device)
        if pixels is self.pixels and labels is self.labels:
            return self
        return self._with(pixels=pixels, labels=labels)


@dataclass(frozen=True, eq=False)
class DataSet:
    """Training and test images over one list of classes.

    Raises:
        ArgumentError: the parts are no images, of two sizes, or of other classes.
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
