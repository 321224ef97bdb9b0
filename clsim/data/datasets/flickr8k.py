"""Flickr8k: photographs with five captions each, in the usual split of 6,000 + 1,000 + 1,000.

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
from clsim.data.io.load import Captions, load_captioned_images
from clsim.data.io.sources import open_source
from clsim.utils.errors import DataMissing

NAME = "flickr8k"
HOW = "copy images/, captions.tsv and split_{train,dev,test}.txt into flickr8k/ in the data root"
LINE = re.compile(r"(?P<image>[^\t]+)\t[^\t]*\t(?P<caption>[^\t]+)")
FILES = ("captions.tsv", "split_train.txt", "split_dev.txt", "split_test.txt")


def is_here(root: Path) -> bool:
    """Return whether the captions, the lists and the image folder are present."""
    return (root / NAME / "images").is_dir() and all((root / NAME / file).is_file() for file in FILES)


def load(parts: Sequence[Literal["train", "dev", "test"]], root: Path, image_size: int) -> CaptionedImages:
    """Load some parts of the split, cropped to squares.

    Args:
        parts: Parts to join.
        root: Folder of all data sets.
        image_size: Side of the images in pixels.

    Raises:
        DataMissing: The folder is missing or incomplete.
        UserError: A listed photograph is missing, damaged or has no captions.
    """
    folder = root / NAME
    if not is_here(root):
        raise DataMissing(f"{NAME} was not found", where=str(folder), fix=HOW)
    captions = read_captions(folder / "captions.tsv", LINE, "file, number, caption")
    listed: Captions = {}
    for part in parts:
        listed |= read_part(folder / f"split_{part}.txt", captions)
    return load_captioned_images(open_source(folder / "images"), listed, NAME, image_size, cache_folders(root))


def load_captions(root: Path, image_size: int | None) -> CaptionDataSet:
    """Load the training and test images; the dev part is not used.

    Args:
        root: Folder of all data sets.
        image_size: Side of the images in pixels; None means 224.

    Raises:
        DataMissing: The data set was not found.
        UserError: As :func:`load`.
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
