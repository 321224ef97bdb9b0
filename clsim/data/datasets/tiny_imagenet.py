"""Tiny-ImageNet (200 classes of ImageNet, 64 pixels) and ``tiny_imagenet32``, a smaller copy in the same layout.

The training images are ``train/<wnid>/images/*``. The test images are ``val/images/*``, with classes in
``val/val_annotations.txt``, because the labels of the official test images are not public. Class ids follow the sorted
WordNet ids.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from clsim.data.core.images import DataSet
from clsim.data.datasets.entry import Entry, counted
from clsim.data.datasets.wnids import wnid_names
from clsim.data.io.cache import cache_folders
from clsim.data.io.load import load_images
from clsim.data.io.sources import open_source
from clsim.utils.download import fetch_archive
from clsim.utils.errors import UserError

FOLDERS = {"tiny_imagenet": "tiny-imagenet-200", "tiny_imagenet32": "tiny_imagenet32"}
URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
MD5 = "90528d7ca1a48142e341f4ef8d21d0de"


def is_here(name: str, root: Path) -> bool:
    """Return whether the annotations are present, the last file of the archive."""
    return (root / FOLDERS[name] / "val" / "val_annotations.txt").is_file()


def load(name: str, root: Path, image_size: int | None) -> DataSet:
    """Load the data set.

    Args:
        name: ``tiny_imagenet`` or ``tiny_imagenet32``.
        root: Folder of all data sets.
        image_size: Side of the images in pixels; None keeps 64 or 32.

    Raises:
        UserError: An annotated image is missing, or an image is damaged.
    """
    folder, cache = root / FOLDERS[name], cache_folders(root)
    source = open_source(folder)
    train = [file for file in source.stamps if file.startswith("train/")]
    wnids = sorted({file.split("/")[1] for file in train})
    ids = {wnid: i for i, wnid in enumerate(wnids)}
    annotations = folder / "val" / "val_annotations.txt"
    test: dict[str, int] = {}
    for number, line in enumerate(annotations.read_text().splitlines(), start=1):
        columns = line.split("\t")
        if len(columns) < 2 or columns[1] not in ids:
            raise UserError("expected an image and its class in this line", where=f"{annotations}:{number}")
        if test.setdefault(f"val/images/{columns[0]}", ids[columns[1]]) != ids[columns[1]]:
            what = f"{columns[0]} has a different class above"
            raise UserError(what, where=f"{annotations}:{number}", fix="download the file again")
    class_names = wnid_names(wnids)
    labels = [ids[file.split("/")[1]] for file in train]
    return DataSet(
        name,
        train=load_images(source, train, labels, class_names, name, image_size, cache),
        test=load_images(source, list(test), list(test.values()), class_names, name, image_size, cache),
    )


TINY_IMAGENET = Entry(
    name="tiny_imagenet",
    how="`clsim data fetch tiny_imagenet`, or unpack the official tiny-imagenet-200.zip in the data root",
    where=lambda root: root / FOLDERS["tiny_imagenet"],
    is_here=partial(is_here, "tiny_imagenet"),
    verify=lambda root: counted(load("tiny_imagenet", root, None), 100_000, 10_000),
    load=partial(load, "tiny_imagenet"),
    fetch=lambda root: fetch_archive(URL, MD5, root, FOLDERS["tiny_imagenet"]),
)
TINY_IMAGENET_32 = Entry(
    name="tiny_imagenet32",
    how="no public address: copy the folder tiny_imagenet32/ (train/, val/) into the data root",
    where=lambda root: root / FOLDERS["tiny_imagenet32"],
    is_here=partial(is_here, "tiny_imagenet32"),
    verify=lambda root: counted(load("tiny_imagenet32", root, None), 80_000, 10_000),
    load=partial(load, "tiny_imagenet32"),
)
