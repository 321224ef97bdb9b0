"""Every data set by name: load it, say where it stands, fetch it, check it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from clsim.data.augment import Resize
from clsim.data.core.images import DataSet, Images
from clsim.data.core.notices import tell_of
from clsim.data.datasets import folder
from clsim.data.datasets.cifar import CIFAR10, CIFAR100
from clsim.data.datasets.coco_captions import COCO_CAPTIONS
from clsim.data.datasets.cub200 import CUB200
from clsim.data.datasets.entry import Entry
from clsim.data.datasets.flickr8k import FLICKR8K
from clsim.data.datasets.flickr30k import FLICKR30K
from clsim.data.datasets.mini_imagenet import MINI_IMAGENET
from clsim.data.datasets.splits import FSCIL_SPLITS
from clsim.data.datasets.tiny_imagenet import TINY_IMAGENET, TINY_IMAGENET_32
from clsim.data.facts import CAPTIONED
from clsim.data.io.cache import cache_folders
from clsim.data.root import data_root
from clsim.utils.arguments import Side, checked
from clsim.utils.errors import DataMissing, UserError


def _draw_shapes(root: Path, image_size: int | None) -> DataSet:
    from clsim.data.datasets.shapes import shapes

    return shapes() if image_size is None else shapes(image_size=image_size)


SHAPES = Entry(
    name="shapes",
    how="nothing to get: it is drawn when it is asked for",
    where=lambda root: None,
    is_here=lambda root: True,
    verify=lambda root: "nothing to check",
    load=_draw_shapes,
)
ENTRIES = {
    entry.name: entry
    for entry in (
        SHAPES,
        CIFAR100,
        CIFAR10,
        TINY_IMAGENET,
        TINY_IMAGENET_32,
        MINI_IMAGENET,
        CUB200,
        FLICKR8K,
        FLICKR30K,
        COCO_CAPTIONS,
        FSCIL_SPLITS,
    )
}


@dataclass(frozen=True)
class Status:
    """Where a data set stands.

    Attributes:
        name: as scenarios name it.
        where: its folder, present or not; None if it has none.
        present: whether it can be used without a download.
        size: bytes on disk.
        checked: what :func:`verify` found in order; empty if it was not asked.
        fault: what is wrong with it; None if nothing is known to be.
        how: how to get it.
    """

    name: str
    where: Path | None
    present: bool
    size: int
    how: str
    checked: str = ""
    fault: str | None = None


@checked
def load(name: str, *, image_size: Side | None, root: Path, download: bool) -> DataSet:
    """See :func:`clsim.data.load_dataset`."""
    dataset = _load(name, image_size, root, download)
    tell_of(dataset)
    return dataset


def _load(name: str, image_size: int | None, root: Path, download: bool) -> DataSet:
    if name.startswith("folder:"):
        if not name.removeprefix("folder:").strip():
            raise UserError("folder: names no path", fix="write folder:PATH")
        path = Path(name.removeprefix("folder:")).expanduser()
        return folder.load(path, image_size, cache_folders(root), name)
    entry = _find(name)
    if entry.load is None:
        holds = "captions, for streams of kind text_upgrade, and no classes" if name in CAPTIONED else "no images"
        raise UserError(f"{name} holds {holds}", fix=f"data sets: {_names(loadable=True)}, folder:PATH")
    if not entry.is_here(root):
        if not download or entry.fetch is None:
            raise DataMissing(f"{name} is not here", where=str(entry.where(root)), fix=entry.how)
        _fetch(entry, root)
    return _sized(entry.load(root, image_size), image_size)


def status(names: Iterable[str] = (), root: Path | None = None) -> list[Status]:
    """Where the named data sets stand, or all; by file names and sizes only, so it takes no time."""
    return [_status(entry, root or data_root()) for entry in _chosen(names)]


def fetch(names: Iterable[str], root: Path | None = None) -> list[Status]:
    """Download the named data sets, or all that have a public address, where they are missing or altered.

    Raises:
        DataMissing: the first that could not be fetched: no network, no public address, a full disk.
    """
    root, names = root or data_root(), tuple(names)
    chosen = [entry for entry in _chosen(names) if names or entry.fetch]
    for entry in chosen:
        if entry.is_here(root) and not _verified(entry, root).fault:
            continue
        if entry.fetch is None:
            raise DataMissing(f"{entry.name} cannot be fetched", where=str(entry.where(root)), fix=entry.how)
        _fetch(entry, root)
    return [_status(entry, root) for entry in chosen]


def verify(names: Iterable[str] = (), root: Path | None = None) -> list[Status]:
    """Check the named data sets, or all that are here, against what is known of them.

    Checksums where they are published; otherwise the number of images, every one of which is decoded.
    """
    root, names = root or data_root(), tuple(names)
    return [_verified(entry, root) for entry in _chosen(names) if names or entry.is_here(root)]


def _find(name: str) -> Entry:
    if name in ENTRIES:
        return ENTRIES[name]
    near = get_close_matches(name, ENTRIES, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UserError(f"there is no data set {name!r}", fix=f"{hint}data sets: {_names()}, folder:PATH")


def _names(*, loadable: bool = False) -> str:
    return ", ".join(name for name, entry in ENTRIES.items() if entry.load or not loadable)


def _chosen(names: Iterable[str]) -> list[Entry]:
    return [_find(name) for name in names] or list(ENTRIES.values())


def _fetch(entry: Entry, root: Path) -> None:
    if entry.fetch is None:
        raise DataMissing(f"{entry.name} is not here", where=str(entry.where(root)), fix=entry.how)
    try:
        root.mkdir(parents=True, exist_ok=True)
        entry.fetch(root)
    except OSError as error:
        what = f"{entry.name} is not here and could not be fetched ({error})"
        raise DataMissing(what, where=str(entry.where(root)), fix=entry.how) from error


def _status(entry: Entry, root: Path) -> Status:
    where = entry.where(root)
    size = _size(where) if where and where.is_dir() else 0
    return Status(entry.name, where, entry.is_here(root), size, entry.how)


def _size(folder: Path) -> int:
    with os.scandir(folder) as entries:  # three times as fast as Path.rglob, for folders of 90,000 files
        sizes = ((entry, entry.stat(follow_symlinks=False).st_size) for entry in entries)
        return sum(_size(Path(e.path)) if e.is_dir(follow_symlinks=False) else size for e, size in sizes)


def _verified(entry: Entry, root: Path) -> Status:
    state = _status(entry, root)
    if not state.present:
        return replace(state, fault="it is not here")
    try:
        return replace(state, checked=entry.verify(root))
    except UserError as error:
        return replace(state, fault=str(error))


def _sized(dataset: DataSet, size: int | None) -> DataSet:
    """The data set with images of ``size`` x ``size`` pixels, if its loader left them at another size."""

    def sized(images: Images) -> Images:
        if size is None or images.pixels.shape[-1] == size:
            return images
        pixels = images.pixels.new_empty(len(images), 3, size, size)
        for start in range(0, len(images), 1024):
            part = slice(start, start + 1024)
            pixels[part] = Resize(size)(images.pixels[part])
        return replace(images, pixels=pixels)

    return replace(dataset, train=sized(dataset.train), test=sized(dataset.test))
