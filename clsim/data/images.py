"""Images as one resident uint8 tensor with labels, class names and a hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from clsim.data.cache import Array


@dataclass(frozen=True, eq=False)
class Images:
    """N labelled images of one size; nothing is copied on construction, so pixels may be memory-mapped.

    Args:
        pixels: uint8 ``[N, 3, H, W]``, RGB.
        labels: int64 ``[N]``, positions in ``class_names``.
        class_names: every class of the data set, also those that have no image here.
        name: of the data set.
        paths: where each image came from, if it was a file of its own.
        traits: int32 ``[N, fields of Traits]``, what those files were like; see :mod:`clsim.data.convert`.

    Raises:
        ValueError: the shapes or types do not fit together.
    """

    pixels: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    name: str
    paths: tuple[str, ...] | None = None
    traits: Array | None = None

    def __post_init__(self) -> None:
        pixels, labels = self.pixels, self.labels
        if pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[1] != 3:
            raise ValueError(f"pixels must be uint8 [N, 3, H, W], not {pixels.dtype} {list(pixels.shape)}")
        if labels.dtype != torch.int64 or labels.shape != pixels.shape[:1]:
            raise ValueError(f"labels must be int64 [{len(pixels)}], not {labels.dtype} {list(labels.shape)}")
        if self.paths is not None and len(self.paths) != len(pixels):
            raise ValueError(f"{len(self.paths)} paths for {len(pixels)} images")

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
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        at = chosen.to(self.pixels.device)
        paths = None if self.paths is None else tuple(self.paths[i] for i in chosen.tolist())
        traits = None if self.traits is None else self.traits[chosen.cpu().numpy()]
        return replace(self, pixels=self.pixels[at], labels=self.labels[at], paths=paths, traits=traits)

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
        return replace(self, pixels=pixels, labels=labels)


@dataclass(frozen=True, eq=False)
class DataSet:
    """Training and test images over one list of classes."""

    name: str
    train: Images
    test: Images

    def __post_init__(self) -> None:
        if self.train.class_names != self.test.class_names:
            raise ValueError(f"{self.name}: training and test images must name the same classes")

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of all classes, by class id."""
        return self.train.class_names
