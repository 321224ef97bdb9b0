"""Flickr8k: photographs with five captions each, on the usual split into 6,000 + 1,000 + 1,000.

Layout: ``flickr8k/images/*``, ``captions.tsv`` (file, number, caption) and ``split_{train,dev,test}.txt``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from clsim.data.core.captioned import CaptionDataSet, CaptionedImages
from clsim.data.datasets.caption_lists import read_captions, read_part
from clsim.data.datasets.entry import Entry, counted_captions
from clsim.data.facts import CAPTIONED
from clsim.data.io.cache import cache_folders
from clsim.data.io.resident import Told, resident_captions
from clsim.data.io.sources import open_source
from clsim.utils.errors import DataMissing

NAME = "flickr8k"
HOW = "copy images/, captions.tsv and split_{train,dev,test}.txt into flickr8k/ in the data root"
LINE = re.compile(r"(?P<image>[^\t]+)\t[^\t]*\t(?P<caption>[^\t]+)")
FILES = ("captions.tsv", "split_train.txt", "split_dev.txt", "split_test.txt")


def is_here(root: Path) -> bool:
    """Whether captions, lists and the folder of images are there."""
    return (root / NAME / "images").is_dir() and all((root / NAME / file).is_file() for file in FILES)


def load(parts: Sequence[Literal["train", "dev", "test"]], root: Path, image_size: int) -> CaptionedImages:
    """The photographs of some parts of the split, cut square and resampled to ``image_size``.

    Raises:
        DataMissing: the folder is not there, or not whole.
        UserError: a listed photograph has no captions, or is missing or no whole image.
    """
    folder = root / NAME
    if not is_here(root):
        raise DataMissing(f"{NAME} is not here", where=str(folder), fix=HOW)
    captions = read_captions(folder / "captions.tsv", LINE, "file, number, caption")
    told: Told = {}
    for part in parts:
        told |= read_part(folder / f"split_{part}.txt", captions)
    return resident_captions(open_source(folder / "images"), told, NAME, image_size, cache_folders(root))


def load_captions(root: Path, image_size: int | None) -> CaptionDataSet:
    """Training and test part; the dev part stays out.

    Raises:
        DataMissing: it is not here.
        UserError: as :func:`load`.
    """
    size = image_size or CAPTIONED[NAME].image_size
    return CaptionDataSet(NAME, train=load(("train",), root, size), test=load(("test",), root, size))


FLICKR8K = Entry(
    name=NAME,
    how=HOW,
    where=lambda root: root / NAME,
    is_here=is_here,
    verify=lambda root: counted_captions(load_captions, root, CAPTIONED[NAME][:2]),
)
