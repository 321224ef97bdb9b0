"""miniImageNet in its few-shot class-incremental split: 100 classes of 500 training and 100 test images.

The pinned lists ``fscil_splits/mini_imagenet/{train,test}.txt`` give the split by file name. Without them,
``split/{train,test}.csv`` of the CEC layout does (``filename,wnid`` after a header). The images may be in any folders
below ``mini_imagenet/`` (or another of the usual names): ``images/*.jpg``, ``train/<wnid>/*.jpg``, ... Class ids follow
the sorted WordNet ids, which is also the order of the lists.
"""

from __future__ import annotations

import csv
from pathlib import Path, PurePosixPath

from clsim.data.core.images import DataSet, Images
from clsim.data.datasets.entry import Entry, counted
from clsim.data.datasets.splits import read_list
from clsim.data.datasets.wnids import wnid_names
from clsim.data.io.cache import cache_folders
from clsim.data.io.load import load_images
from clsim.data.io.sources import open_source
from clsim.utils.errors import DataMissing, UserError

NAME = "mini_imagenet"
FOLDERS = ("mini_imagenet", "miniimagenet", "MINI-ImageNet", "miniImageNet", "mini-imagenet")
IMAGE_SIZE = 84


def folder(root: Path) -> Path | None:
    """Return the folder of the images under any of its usual names; None if there is none."""
    return next((root / name for name in FOLDERS if (root / name).is_dir()), None)


def load(root: Path, image_size: int | None) -> DataSet:
    """Load the data set.

    Args:
        root: Folder of all data sets.
        image_size: Side of the images in pixels; None means 84, as in CEC. A CLIP model needs its own, mostly 224.

    Raises:
        DataMissing: The images, or both forms of the lists, were not found.
        UserError: A listed image is missing or damaged, or a list is altered.
    """
    directory = folder(root)
    if directory is None:
        raise DataMissing("mini_imagenet was not found", where=str(root / NAME))
    source, cache = open_source(directory), cache_folders(root)
    files: dict[str, str] = {}
    for file in source.stamps:
        if (other := files.setdefault(PurePosixPath(file).name, file)) != file:
            what = f"{PurePosixPath(file).name} has two copies: {other} and {file}"
            raise UserError(what, where=str(directory), fix="keep one copy of every image")
    lists = {split: _list(directory, split, root) for split in ("train", "test")}
    wnids = sorted({wnid for wnid, _ in lists["train"]})
    ids = {wnid: i for i, wnid in enumerate(wnids)}
    class_names = wnid_names(wnids)

    def images(split: str) -> Images:
        unknown = next((wnid for wnid, _ in lists[split] if wnid not in ids), None)
        if unknown:
            raise UserError(f"class {unknown} has no training images", where=str(directory))
        chosen = [files.get(file, file) for _, file in lists[split]]
        labels = [ids[wnid] for wnid, _ in lists[split]]
        return load_images(source, chosen, labels, class_names, NAME, image_size or IMAGE_SIZE, cache)

    return DataSet(NAME, train=images("train"), test=images("test"))


def _list(directory: Path, split: str, root: Path) -> list[tuple[str, str]]:
    """Return the WordNet id and file name of every image of a split."""
    try:
        paths = [PurePosixPath(line) for line in read_list(NAME, f"{split}.txt", root)]
        return [(path.parent.name, path.name) for path in paths]
    except DataMissing:
        table = directory / "split" / f"{split}.csv"
        if not table.is_file():
            raise
    with table.open(newline="") as lines:
        rows = [row for row in csv.reader(lines) if row]
    if bad := next((number for number, row in enumerate(rows, start=1) if len(row) != 2), None):
        what = "expected a file name and a class, separated by a comma"
        raise UserError(what, where=f"{table}:{bad}", fix="download the file again")
    return [(wnid, file) for file, wnid in rows[1:]]


MINI_IMAGENET = Entry(
    name=NAME,
    how="no public address: copy its images (n0153282900000005.jpg, ...) into mini_imagenet/ in the data root",
    where=lambda root: folder(root) or root / NAME,
    is_here=lambda root: folder(root) is not None,
    verify=lambda root: counted(load(root, None), 50_000, 10_000),
    load=load,
)
