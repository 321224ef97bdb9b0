"""miniImageNet as few-shot class-incremental learning splits it: 100 classes of 500 training and 100 test images.

The pinned lists ``fscil_splits/mini_imagenet/{train,test}.txt`` say which image is what, by file name; where they
are not here, ``split/{train,test}.csv`` of the CEC layout does (``filename,wnid`` after a heading). The images may
lie in any folders below ``mini_imagenet/`` (or another of the usual names): ``images/*.jpg``,
``train/<wnid>/*.jpg``, ... Class ids follow the sorted WordNet ids, in which order the lists first name them, too.
"""

from __future__ import annotations

import csv
from pathlib import Path, PurePosixPath

from clsim.data.core.images import DataSet, Images
from clsim.data.datasets.entry import Entry, counted
from clsim.data.datasets.splits import read_list
from clsim.data.datasets.wnids import wnid_names
from clsim.data.io.cache import cache_folders
from clsim.data.io.resident import resident
from clsim.data.io.sources import open_source
from clsim.utils.errors import DataMissing, UserError

NAME = "mini_imagenet"
FOLDERS = ("mini_imagenet", "miniimagenet", "MINI-ImageNet", "miniImageNet", "mini-imagenet")
IMAGE_SIZE = 84


def folder(root: Path) -> Path | None:
    """The folder of the images, under any of its usual names."""
    return next((root / name for name in FOLDERS if (root / name).is_dir()), None)


def load(root: Path, image_size: int | None) -> DataSet:
    """Load the data set; ``image_size`` None means 84 pixels, as in CEC. A CLIP needs its own size, mostly 224.

    Raises:
        DataMissing: the images, or both kinds of lists, are not here.
        UserError: an image of the lists is missing, a list is altered, or a file is not a whole image.
    """
    place = folder(root)
    if place is None:
        raise DataMissing("mini_imagenet is not here", where=str(root / NAME))
    source, cache = open_source(place), cache_folders(root)
    files: dict[str, str] = {}
    for file in source.stamps:
        if (other := files.setdefault(PurePosixPath(file).name, file)) != file:
            what = f"{PurePosixPath(file).name} lies in two places: {other} and {file}"
            raise UserError(what, where=str(place), fix="keep one copy of every image there")
    lists = {split: _list(place, split, root) for split in ("train", "test")}
    wnids = sorted({wnid for wnid, _ in lists["train"]})
    ids = {wnid: i for i, wnid in enumerate(wnids)}
    class_names = wnid_names(wnids)

    def images(split: str) -> Images:
        unknown = next((wnid for wnid, _ in lists[split] if wnid not in ids), None)
        if unknown:
            raise UserError(f"the class {unknown} has no training images", where=str(place))
        chosen = [files.get(file, file) for _, file in lists[split]]
        labels = [ids[wnid] for wnid, _ in lists[split]]
        return resident(source, chosen, labels, class_names, NAME, image_size or IMAGE_SIZE, cache)

    return DataSet(NAME, train=images("train"), test=images("test"))


def _list(place: Path, split: str, root: Path) -> list[tuple[str, str]]:
    """WordNet id and file name of every image of a split."""
    try:
        paths = [PurePosixPath(line) for line in read_list(NAME, f"{split}.txt", root)]
        return [(path.parent.name, path.name) for path in paths]
    except DataMissing:
        table = place / "split" / f"{split}.csv"
        if not table.is_file():
            raise
    with table.open(newline="") as lines:
        rows = [row for row in csv.reader(lines) if row]
    if bad := next((number for number, row in enumerate(rows, start=1) if len(row) != 2), None):
        what = "every line must hold a file name and a class, separated by a comma"
        raise UserError(what, where=f"{table}:{bad}", fix="get the file again")
    return [(wnid, file) for file, wnid in rows[1:]]


MINI_IMAGENET = Entry(
    name=NAME,
    how="it has no public address: copy its images (n0153282900000005.jpg, ...) into mini_imagenet/ in the data root",
    where=lambda root: folder(root) or root / NAME,
    is_here=lambda root: folder(root) is not None,
    verify=lambda root: counted(load(root, None), 50_000, 10_000),
    load=load,
)
