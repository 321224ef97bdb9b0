"""Data sets by name: load, download, verify and list them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from clsim.data.augment import Resize
from clsim.data.core.file_warnings import warn_about_files
from clsim.data.core.images import DataSet, Images
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
from clsim.data.registry import LOADERS
from clsim.data.root import data_root
from clsim.utils.arguments import Side, checked
from clsim.utils.errors import DataMissing, UserError
from clsim.utils.files import from_home


def _draw_shapes(root: Path, image_size: int | None) -> DataSet:
    from clsim.data.datasets.shapes import shapes

    return shapes() if image_size is None else shapes(image_size=image_size)


SHAPES = Entry(
    name="shapes",
    how="nothing to download: its images are drawn when it is loaded",
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
    """State of a data set on disk.

    Attributes:
        name: Name in scenarios.
        where: Folder, present or not; None if the data set has no files.
        present: Whether it can be used without a download.
        size: Size on disk in bytes.
        how: Instructions for getting it.
        checked: Result of :func:`verify`; empty if the files were not checked.
        fault: Problem with the files; None if none is known.
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
    """Load a data set; see :func:`clsim.data.load_dataset`."""
    dataset = _load(name, image_size, root, download)
    warn_about_files(dataset)
    return dataset


def _load(name: str, image_size: int | None, root: Path, download: bool) -> DataSet:
    if name.startswith("folder:"):
        if not name.removeprefix("folder:").strip():
            raise UserError("no path after 'folder:'", fix="write folder:PATH")
        path = from_home(name.removeprefix("folder:"), name)
        return folder.load(path, image_size, cache_folders(root), name)
    if name in LOADERS:
        return _resized(LOADERS[name](), image_size)
    entry = _entry(name)
    if entry.load is None:
        holds = "captions and no classes: use it in a text_upgrade stream" if name in CAPTIONED else "no images"
        raise UserError(f"{name} has {holds}", fix=f"data sets: {_listed(loadable=True)}, folder:PATH")
    if not entry.is_here(root):
        if not download or entry.fetch is None:
            raise DataMissing(f"{name} was not found", where=str(entry.where(root)), fix=entry.how)
        _fetch(entry, root)
    return _resized(entry.load(root, image_size), image_size)


def status(names: Iterable[str] = (), root: Path | None = None) -> list[Status]:
    """Return the state of data sets from file names and sizes alone, without reading them.

    Args:
        names: Names of the data sets; all if empty.
        root: Folder of all data sets; :func:`~clsim.data.data_root` by default.
    """
    return [_status(entry, root or data_root()) for entry in _entries(names)]


def fetch(names: Iterable[str], root: Path | None = None) -> list[Status]:
    """Download data sets that are missing or altered.

    Args:
        names: Names of the data sets; all that have a public address if empty.
        root: Folder of all data sets; :func:`~clsim.data.data_root` by default.

    Raises:
        DataMissing: A data set could not be downloaded: no network, no public address or a full disk.
    """
    root, names = root or data_root(), tuple(names)
    chosen = [entry for entry in _entries(names) if names or entry.fetch]
    for entry in chosen:
        if entry.is_here(root) and not _verified(entry, root).fault:
            continue
        if entry.fetch is None:
            raise DataMissing(f"{entry.name} cannot be downloaded", where=str(entry.where(root)), fix=entry.how)
        _fetch(entry, root)
    return [_status(entry, root) for entry in chosen]


def verify(names: Iterable[str] = (), root: Path | None = None) -> list[Status]:
    """Check data sets by published checksums, or else by decoding every image.

    Args:
        names: Names of the data sets; all that are present if empty.
        root: Folder of all data sets; :func:`~clsim.data.data_root` by default.
    """
    root, names = root or data_root(), tuple(names)
    return [_verified(entry, root) for entry in _entries(names) if names or entry.is_here(root)]


def _entry(name: str) -> Entry:
    if name in ENTRIES:
        return ENTRIES[name]
    near = get_close_matches(name, ENTRIES, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UserError(f"unknown data set {name!r}", fix=f"{hint}data sets: {_listed()}, folder:PATH")


def _listed(*, loadable: bool = False) -> str:
    return ", ".join(name for name, entry in ENTRIES.items() if entry.load or not loadable)


def _entries(names: Iterable[str]) -> list[Entry]:
    return [_entry(name) for name in names] or list(ENTRIES.values())


def _fetch(entry: Entry, root: Path) -> None:
    if entry.fetch is None:
        raise DataMissing(f"{entry.name} was not found", where=str(entry.where(root)), fix=entry.how)
    try:
        root.mkdir(parents=True, exist_ok=True)
        entry.fetch(root)
    except OSError as error:
        what = f"{entry.name} was not found and could not be downloaded ({error})"
        raise DataMissing(what, where=str(entry.where(root)), fix=entry.how) from error


def _status(entry: Entry, root: Path) -> Status:
    where = entry.where(root)
    size = _size(where) if where and where.is_dir() else 0
    return Status(entry.name, where, entry.is_here(root), size, entry.how)


def _size(folder: Path) -> int:
    # os.scandir is three times as fast as Path.rglob in folders of 90,000 files.
    with os.scandir(folder) as entries:
        sizes = ((entry, entry.stat(follow_symlinks=False).st_size) for entry in entries)
        return sum(_size(Path(e.path)) if e.is_dir(follow_symlinks=False) else size for e, size in sizes)


def _verified(entry: Entry, root: Path) -> Status:
    state = _status(entry, root)
    if not state.present:
        return replace(state, fault="not found")
    try:
        return replace(state, checked=entry.verify(root))
    except UserError as error:
        return replace(state, fault=str(error))


def _resized(dataset: DataSet, size: int | None) -> DataSet:
    """Return the data set with images of ``size`` x ``size`` pixels; None keeps their size."""

    def resized(images: Images) -> Images:
        if size is None or images.pixels.shape[-1] == size:
            return images
        pixels = images.pixels.new_empty(len(images), 3, size, size)
        for start in range(0, len(images), 1024):
            part = slice(start, start + 1024)
            pixels[part] = Resize(size)(images.pixels[part])
        return replace(images, pixels=pixels)

    return replace(dataset, train=resized(dataset.train), test=resized(dataset.test))
