"""Flickr30k: photographs with five captions each.

Layout of ``flickr30k/``: images in ``flickr30k-images/`` or ``images/``, and either Karpathy's
``dataset_flickr30k.json`` or ``results_20130124.token`` with ``split_train.txt`` and ``split_test.txt``.
"""

from __future__ import annotations

import re
from pathlib import Path

from clsim.data.core.captioned import CaptionDataSet
from clsim.data.datasets.caption_json import read_karpathy
from clsim.data.datasets.caption_lists import read_captions, read_part
from clsim.data.datasets.entry import Entry, counted_captions
from clsim.data.facts import CAPTIONED
from clsim.data.io.cache import cache_folders
from clsim.data.io.load import load_captioned_images
from clsim.data.io.sources import open_source
from clsim.utils.errors import DataMissing

NAME = "flickr30k"
HOW = (
    "request it from its authors (University of Illinois) and copy flickr30k-images/ and dataset_flickr30k.json "
    "(Karpathy), or results_20130124.token with split_{train,test}.txt, into flickr30k/ in the data root"
)
LINE = re.compile(r"(?P<image>[^\t#]+)#\d+\s*\t\s*(?P<caption>.+)")
FOLDERS = ("flickr30k-images", "images")
JSON = "dataset_flickr30k.json"
LISTS = ("results_20130124.token", "split_train.txt", "split_test.txt")


def is_here(root: Path) -> bool:
    """Return whether images, and captions in one of the two forms, are present."""
    folder = root / NAME
    captions = (folder / JSON).is_file() or all((folder / file).is_file() for file in LISTS)
    return captions and any((folder / name).is_dir() for name in FOLDERS)


def load_captions(root: Path, image_size: int | None) -> CaptionDataSet:
    """Load the training and test images.

    Args:
        root: Folder of all data sets.
        image_size: Side of the images in pixels; None means 224.

    Raises:
        DataMissing: The data set was not found.
        UserError: A file is damaged, or an image is missing, damaged or has no caption.
    """
    folder, size = root / NAME, image_size or CAPTIONED[NAME].image_size
    if not is_here(root):
        raise DataMissing(f"{NAME} was not found", where=str(folder), fix=HOW)
    if (folder / JSON).is_file():
        train, test = read_karpathy(folder / JSON, ("train",), ("test",))
    else:
        captions = read_captions(folder / LISTS[0], LINE, "file#number, a tab, caption")
        train, test = (read_part(folder / file, captions) for file in LISTS[1:])
    source = open_source(next(folder / name for name in FOLDERS if (folder / name).is_dir()))
    # Karpathy's file may put a folder before the file name.
    train, test = ({file.rsplit("/", 1)[-1]: texts for file, texts in part.items()} for part in (train, test))
    parts = [load_captioned_images(source, part, NAME, size, cache_folders(root)) for part in (train, test)]
    return CaptionDataSet(NAME, *parts)


def _expected(root: Path) -> tuple[int, int] | None:
    """Return the numbers of training and test images of the published split; None for other splits."""
    return CAPTIONED[NAME][:2] if (root / NAME / JSON).is_file() else None


FLICKR30K = Entry(
    name=NAME,
    how=HOW,
    where=lambda root: root / NAME,
    is_here=is_here,
    verify=lambda root: counted_captions(load_captions, root, _expected(root)),
)
