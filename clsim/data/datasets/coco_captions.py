"""COCO captions: photographs with five or more captions each.

Layout of ``coco_captions/``: the official image folders (or ``images/`` with them), and either Karpathy's
``dataset_coco.json`` or ``annotations/captions_{train,val}2014.json`` (or 2017). With the latter, val is the test part.
"""

from __future__ import annotations

from pathlib import Path

from clsim.data.core.captioned import CaptionDataSet, CaptionedImages
from clsim.data.datasets.caption_json import read_annotations, read_karpathy
from clsim.data.datasets.entry import Entry, counted_captions
from clsim.data.facts import CAPTIONED
from clsim.data.io.cache import cache_folders
from clsim.data.io.load import Captions, load_captioned_images
from clsim.data.io.sources import open_source
from clsim.utils.errors import DataMissing

NAME = "coco_captions"
HOW = (
    "download train2014.zip, val2014.zip and annotations_trainval2014.zip (or 2017) from cocodataset.org and unpack "
    "them in coco_captions/ in the data root; add Karpathy's dataset_coco.json to use his split"
)
JSON = "dataset_coco.json"
YEARS = {"2014": (82_783, 40_504), "2017": (118_287, 5_000)}  # numbers of train and val images


def is_here(root: Path) -> bool:
    """Return whether captions in one of the two forms and their image folders are present."""
    return _year(root) is not None


def load_captions(root: Path, image_size: int | None) -> CaptionDataSet:
    """Load the training and test images.

    Args:
        root: Folder of all data sets.
        image_size: Side of the images in pixels; None means 224.

    Raises:
        DataMissing: The data set was not found.
        UserError: A file is damaged, or an image is missing, damaged or has no caption.
    """
    folder, size, year = root / NAME, image_size or CAPTIONED[NAME].image_size, _year(root)
    if year is None:
        raise DataMissing(f"{NAME} was not found", where=str(folder), fix=HOW)
    if _is_karpathy(root):
        train, test = read_karpathy(folder / JSON, ("train", "restval"), ("test",))
    else:
        train, test = (read_annotations(_annotations(root, part, year), f"{part}{year}") for part in ("train", "val"))
    source = open_source(_images(root))

    def images(captions: Captions) -> CaptionedImages:
        return load_captioned_images(source, captions, NAME, size, cache_folders(root))

    return CaptionDataSet(NAME, train=images(train), test=images(test))


def _year(root: Path) -> str | None:
    """Return the year of the images and captions that are present; None if either is missing."""
    for year in YEARS:
        official = all(_annotations(root, part, year).is_file() for part in ("train", "val"))
        if _has_images(root, year) and (official or (year == "2014" and _is_karpathy(root))):
            return year
    return None


def _is_karpathy(root: Path) -> bool:
    """Return whether to use Karpathy's split: its file and the images of 2014 are present."""
    return (root / NAME / JSON).is_file() and _has_images(root, "2014")


def _has_images(root: Path, year: str) -> bool:
    return all((_images(root) / f"{part}{year}").is_dir() for part in ("train", "val"))


def _annotations(root: Path, part: str, year: str) -> Path:
    return root / NAME / "annotations" / f"captions_{part}{year}.json"


def _images(root: Path) -> Path:
    within = root / NAME / "images"
    return within if within.is_dir() else root / NAME


def _expected(root: Path) -> tuple[int, int]:
    """Return the numbers of training and test images of the split in use."""
    return CAPTIONED[NAME][:2] if _is_karpathy(root) else YEARS[_year(root) or "2014"]


COCO_CAPTIONS = Entry(
    name=NAME,
    how=HOW,
    where=lambda root: root / NAME,
    is_here=is_here,
    verify=lambda root: counted_captions(load_captions, root, _expected(root)),
)
