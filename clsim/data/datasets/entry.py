"""Catalog entries of data sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clsim.data.core.captioned import CaptionDataSet
from clsim.data.core.images import DataSet
from clsim.utils.errors import UserError

CHECKED_SIZE = 32
"""Image side for decoding captioned images in a check; COCO at full size would fill 18 GB."""


@dataclass(frozen=True)
class Entry:
    """Catalog entry of a data set; every function takes the data root first.

    Attributes:
        name: Name in scenarios.
        how: Instructions for getting the data set, in one sentence.
        where: Function that returns its folder, present or not; None if it has no files.
        is_here: Function that returns whether it can be used without a download, from file names only.
        verify: Function that checks the files and describes the check, or raises UserError.
        load: Function that loads it with the given image side in pixels (None keeps its own); None if it has no
            images with classes.
        fetch: Function that downloads it, raising OSError on failure; None if it has no public address.
    """

    name: str
    how: str
    where: Callable[[Path], Path | None]
    is_here: Callable[[Path], bool]
    verify: Callable[[Path], str]
    load: Callable[[Path, int | None], DataSet] | None = None
    fetch: Callable[[Path], None] | None = None


def counted(dataset: DataSet, train: int, test: int) -> str:
    """Check a data set without published checksums: every image decodes and none is missing.

    Raises:
        UserError: The number of images is wrong.
    """
    found = len(dataset.train), len(dataset.test)
    if found != (train, test):
        raise UserError(f"{dataset.name} has {found} training and test images, expected {(train, test)}")
    return f"{train:,} training and {test:,} test images decode; no published checksum"


def counted_captions(
    load: Callable[[Path, int | None], CaptionDataSet], root: Path, expected: tuple[int, int] | None
) -> str:
    """Check a data set with captions as :func:`counted` does.

    Args:
        load: Function that loads it at a given image side.
        root: Folder of all data sets.
        expected: Numbers of training and test images; None if they are not published.

    Raises:
        UserError: The number of images is wrong.
    """
    dataset = load(root, CHECKED_SIZE)
    found = len(dataset.train), len(dataset.test)
    if expected not in (None, found):
        raise UserError(f"{dataset.name} has {found} training and test images, expected {expected}")
    captions = len(dataset.train.texts) + len(dataset.test.texts)
    return f"{found[0]:,} training and {found[1]:,} test images decode, {captions:,} captions; no published checksum"
