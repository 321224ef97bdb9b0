"""CUB-200-2011 with its official split: 5,994 training and 5,794 test images of 200 bird species.

Some few-shot repositories use another split (4,693 and 1,171 images in the base classes). The standard lists and the
published tables of CPE-CLIP use the official one.
"""

from __future__ import annotations

from pathlib import Path

from clsim.data.core.images import DataSet, Images
from clsim.data.datasets.entry import Entry, counted
from clsim.data.io.cache import cache_folders
from clsim.data.io.load import load_images
from clsim.data.io.sources import open_source
from clsim.utils.download import fetch_archive
from clsim.utils.errors import UserError

NAME = "cub200"
FOLDER = "CUB_200_2011"
URL = "https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz"
MD5 = "97eceeb196236b17998738112f37df78"
IMAGE_SIZE = 224
TABLES = ("images.txt", "image_class_labels.txt", "train_test_split.txt", "classes.txt")


def is_here(root: Path) -> bool:
    """Return whether the folder and its tables are present."""
    return all((root / FOLDER / table).is_file() for table in TABLES)


def load(root: Path, image_size: int | None) -> DataSet:
    """Load the data set.

    Args:
        root: Folder of all data sets.
        image_size: Side of the images in pixels; None means 224.

    Raises:
        UserError: A table is broken, or an image is missing or damaged.
    """
    folder, cache = root / FOLDER, cache_folders(root)
    paths, labels, is_training, classes = (_table(folder / table) for table in TABLES)
    for number in paths:
        if is_training.get(number) not in ("0", "1"):
            what = f"image {number} has no valid split: expected 0 or 1, got {is_training.get(number, 'nothing')}"
            raise UserError(what, where=str(folder / TABLES[2]), fix="download the file again")
    source = open_source(folder)
    # "001.Black_footed_Albatross" becomes "Black footed Albatross".
    class_names = tuple(name.split(".", 1)[-1].replace("_", " ") for name in classes.values())
    ids = {number: i for i, number in enumerate(classes)}

    def images(flag: str) -> Images:
        chosen = [number for number in paths if is_training.get(number) == flag]
        files = [f"images/{paths[number]}" for number in chosen]
        try:
            found = [ids[labels[number]] for number in chosen]
        except KeyError as error:
            raise UserError(f"no class for image or class {error}", where=str(folder / TABLES[1])) from None
        return load_images(source, files, found, class_names, NAME, image_size or IMAGE_SIZE, cache)

    return DataSet(NAME, train=images("1"), test=images("0"))


def _table(path: Path) -> dict[str, str]:
    """Return the two columns of a table, in the order of the file."""
    rows = [line.split(maxsplit=1) for line in path.read_text().splitlines() if line.strip()]
    if any(len(row) != 2 for row in rows):
        raise UserError("expected a number and a value in every line", where=str(path))
    return {number: value.strip() for number, value in rows}


CUB200 = Entry(
    name=NAME,
    how=f"`clsim data fetch {NAME}`, or copy the official {FOLDER}/ into the data root",
    where=lambda root: root / FOLDER,
    is_here=is_here,
    verify=lambda root: counted(load(root, None), 5_994, 5_794),
    load=load,
    fetch=lambda root: fetch_archive(URL, MD5, root, FOLDER),
)
