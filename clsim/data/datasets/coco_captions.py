"""COCO captions: photographs with five captions each, or a few more.

Layout: below ``coco_captions/``, the official image folders (also within ``images/``), and either Karpathy's
``dataset_coco.json``, or ``annotations/captions_{train,val}2014.json`` (or 2017), whose val part is then the test.
"""

from __future__ import annotations

from pathlib import Path

from clsim.data.core.captioned import CaptionDataSet, CaptionedImages
from clsim.data.datasets.caption_json import read_annotations, read_karpathy
from clsim.data.datasets.entry import Entry, counted_captions
from clsim.data.facts import CAPTIONED
from clsim.data.io.cache import cache_folders
from clsim.data.io.resident import Told, resident_captions
from clsim.data.io.sources import open_source
from clsim.utils.errors import DataMissing

NAME = "coco_captions"
HOW = (
    "get train2014.zip, val2014.zip and annotations_trainval2014.zip (or 2017) from cocodataset.org and unpack them in "
    "coco_captions/ in the data root; Karpathy's dataset_coco.json beside them takes the place of the official split"
)
JSON = "dataset_coco.json"
YEARS = {"2014": (82_783, 40_504), "2017": (118_287, 5_000)}  # training and val images of the official files


def is_here(root: Path) -> bool:
    """Whether captions are there, in one of the forms, and the image folders that go with them."""
    return _year(root) is not None


def load_captions(root: Path, image_size: int | None) -> CaptionDataSet:
    """Training and test part, 224 pixels unless another size is given.

    Raises:
        DataMissing: it is not here.
        UserError: a file is damaged, or an image is missing, has no caption or is no whole image.
    """
    folder, size, year = root / NAME, image_size or CAPTIONED[NAME].image_size, _year(root)
    if year is None:
        raise DataMissing(f"{NAME} is not here", where=str(folder), fix=HOW)
    if _is_karpathy(root):
        train, test = read_karpathy(folder / JSON, ("train", "restval"), ("test",))
    else:
        train, test = (read_annotations(_annotations(root, part, year), f"{part}{year}") for part in ("train", "val"))
    source = open_source(_images(root))

    def images(told: Told) -> CaptionedImages:
        return resident_captions(source, told, NAME, size, cache_folders(root))

    return CaptionDataSet(NAME, train=images(train), test=images(test))


def _year(root: Path) -> str | None:
    """The year of the images that the captions are of; None where something is not there."""
    for year in YEARS:
        official = all(_annotations(root, part, year).is_file() for part in ("train", "val"))
        if _has_images(root, year) and (official or (year == "2014" and _is_karpathy(root))):
            return year
    return None


def _is_karpathy(root: Path) -> bool:
    """Whether Karpathy's split is the one to use: it is there, with the images of 2014, of which it is one."""
    return (root / NAME / JSON).is_file() and _has_images(root, "2014")


def _has_images(root: Path, year: str) -> bool:
    return all((_images(root) / f"{part}{year}").is_dir() for part in ("train", "val"))


def _annotations(root: Path, part: str, year: str) -> Path:
    return root / NAME / "annotations" / f"captions_{part}{year}.json"


def _images(root: Path) -> Path:
    within = root / NAME / "images"
    return within if within.is_dir() else root / NAME


def _expected(root: Path) -> tuple[int, int]:
    """Training and test images of the split that is there."""
    return CAPTIONED[NAME][:2] if _is_karpathy(root) else YEARS[_year(root) or "2014"]


COCO_CAPTIONS = Entry(
    name=NAME,
    how=HOW,
    where=lambda root: root / NAME,
    is_here=is_here,
    verify=lambda root: counted_captions(load_captions, root, _expected(root)),
)
