"""What the catalogue knows about a data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clsim.data.core.captioned import CaptionDataSet
from clsim.data.core.images import DataSet
from clsim.utils.errors import UserError

CHECKED_SIZE = 32
"""Side of captioned images that are decoded to check them; at their own size, COCO's would fill 18 GB."""


@dataclass(frozen=True)
class Entry:
    """One data set; every function takes the data root first.

    Attributes:
        name: as scenarios name it.
        how: how to get it, in one sentence.
        where: its folder, present or not; None if it has none.
        is_here: whether it can be used without a download; looks at names only.
        verify: says what was checked and found right, or raises UserError.
        load: reads it, with the side of the images in pixels or None for its own; None if it holds no images
            in classes.
        fetch: downloads it, raising OSError where that fails; None if it has no public address.
    """

    name: str
    how: str
    where: Callable[[Path], Path | None]
    is_here: Callable[[Path], bool]
    verify: Callable[[Path], str]
    load: Callable[[Path, int | None], DataSet] | None = None
    fetch: Callable[[Path], None] | None = None


def counted(dataset: DataSet, train: int, test: int) -> str:
    """The check of a data set without published checksums: every image decodes, and none is missing.

    Raises:
        UserError: there are more or fewer images.
    """
    found = len(dataset.train), len(dataset.test)
    if found != (train, test):
        raise UserError(f"{dataset.name} has {found} training and test images, not {(train, test)}")
    return f"{train:,} training and {test:,} test images decode; no published checksum"


def counted_captions(
    load: Callable[[Path, int | None], CaptionDataSet], root: Path, expected: tuple[int, int] | None
) -> str:
    """The same check of images with captions; ``expected`` is None where nobody published the numbers.

    Raises:
        UserError: there are more or fewer images.
    """
    dataset = load(root, CHECKED_SIZE)
    found = len(dataset.train), len(dataset.test)
    if expected not in (None, found):
        raise UserError(f"{dataset.name} has {found} training and test images, not {expected}")
    captions = len(dataset.train.texts) + len(dataset.test.texts)
    return f"{found[0]:,} training and {found[1]:,} test images decode, {captions:,} captions; no published checksum"
