"""CIFAR-10 and CIFAR-100 from the official files; CIFAR-10 also from ``cifar10/{train,test}/<class>/*.jpg``."""

from __future__ import annotations

import hashlib
import io
import pickle
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from clsim.data.core.images import DataSet, Images
from clsim.data.datasets import folder
from clsim.data.datasets.entry import Entry, counted
from clsim.data.io.cache import cache_folders
from clsim.utils.download import fetch_archive
from clsim.utils.errors import UserError

if TYPE_CHECKING:
    import torchvision

FOLDERS = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}
META = {"cifar10": "batches.meta", "cifar100": "meta"}
ARRAYS = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    *((f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
}
"""Names that unpickling may use: all that the official files need, and enough for arrays only."""


def is_here(name: str, root: Path) -> bool:
    """Return whether the official files are present. The class names are the last file of the archive."""
    return (root / FOLDERS[name] / META[name]).is_file()


def fetch(name: str, root: Path) -> None:
    """Download and unpack the official archive.

    Raises:
        OSError: No network, a broken transfer or a full disk.
    """
    official = _official(name)
    fetch_archive(official.url, official.tgz_md5, root, official.base_folder)


def load(name: str, root: Path) -> DataSet:
    """Load the official files, with images and classes in their order; ``_`` in a class name becomes a space.

    Raises:
        UserError: A file is missing or its md5 is not the official one.
    """
    official = _official(name)
    directory = root / official.base_folder
    names = _read(directory / official.meta["filename"], official.meta["md5"])[official.meta["key"]]
    class_names = tuple(str(word).replace("_", " ") for word in names)

    def split(files: list[list[str]]) -> Images:
        entries = [_read(directory / file, md5) for file, md5 in files]
        rows = [entry["data"] for entry in entries]
        pixels = torch.from_numpy(rows[0] if len(rows) == 1 else np.concatenate(rows)).view(-1, 3, 32, 32)
        labels = [label for entry in entries for label in (entry.get("fine_labels") or entry["labels"])]
        return Images(pixels, torch.tensor(labels), class_names, name)

    return DataSet(name, train=split(official.train_list), test=split(official.test_list))


def load_cifar10(root: Path, image_size: int | None) -> DataSet:
    """Load CIFAR-10 from the official files, or else from image files, which may be lossy copies."""
    if is_here("cifar10", root):
        return load("cifar10", root)
    return folder.load(root / "cifar10", image_size, cache_folders(root), "cifar10")


def _official(name: str) -> type[torchvision.datasets.CIFAR10]:
    """Return torchvision's class, which holds file names, checksums and the address."""
    from torchvision import datasets

    known: dict[str, type[torchvision.datasets.CIFAR10]]
    known = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}
    return known[name]


def _read(path: Path, md5: str) -> dict[str, Any]:
    """Unpickle a file after checking its md5, and only arrays: a pickle can run code."""
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
        raise UserError(
            "this file is missing or differs from the official one (md5)",
            where=str(path),
            fix="download it again with `clsim data fetch`",
        )
    try:
        entry: dict[str, Any] = _OnlyArrays(io.BytesIO(content), encoding="latin1").load()
    except pickle.UnpicklingError as error:
        raise UserError(f"this file contains more than arrays ({error})", where=str(path)) from None
    return entry


class _OnlyArrays(pickle.Unpickler):
    """Unpickler that raises at every name except those that build arrays."""

    def find_class(self, module: str, name: str) -> Any:
        """Return an object named in `ARRAYS`."""
        if (module, name) not in ARRAYS:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return super().find_class(module, name)


def _verify(name: str, root: Path) -> str:
    if not is_here(name, root):
        return counted(load_cifar10(root, None), 50_000, 10_000)
    load(name, root)
    return "official md5"


CIFAR100 = Entry(
    name="cifar100",
    how="`clsim data fetch cifar100`, or copy the official cifar-100-python/ into the data root",
    where=lambda root: root / FOLDERS["cifar100"],
    is_here=partial(is_here, "cifar100"),
    verify=partial(_verify, "cifar100"),
    load=lambda root, image_size: load("cifar100", root),
    fetch=partial(fetch, "cifar100"),
)
CIFAR10 = Entry(
    name="cifar10",
    how="`clsim data fetch cifar10`, or copy the official cifar-10-batches-py/ into the data root, "
    "or images as cifar10/train/CLASS/*.jpg and cifar10/test/CLASS/*.jpg",
    where=lambda root: root / (FOLDERS["cifar10"] if is_here("cifar10", root) else "cifar10"),
    is_here=lambda root: is_here("cifar10", root) or (root / "cifar10").is_dir(),
    verify=partial(_verify, "cifar10"),
    load=load_cifar10,
    fetch=partial(fetch, "cifar10"),
)
