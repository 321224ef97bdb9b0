"""CIFAR-10 and CIFAR-100 from the official files."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from clsim.data.images import DataSet, Images
from clsim.data.network import fetch_archive
from clsim.errors import UserError

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10

FOLDERS = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}
META = {"cifar10": "batches.meta", "cifar100": "meta"}


def is_here(name: str, root: Path) -> bool:
    """Whether the official files are there: the class names come last in the archive."""
    return (root / FOLDERS[name] / META[name]).is_file()


def fetch(name: str, root: Path) -> None:
    """Download and unpack the official archive.

    Raises:
        OSError: no network, a broken transfer or a full disk.
    """
    official = _official(name)
    fetch_archive(official.url, official.tgz_md5, root, official.base_folder)


def load(name: str, root: Path) -> DataSet:
    """Read the official files, images and classes in their official order; ``_`` in a name becomes a space.

    Raises:
        UserError: a file is missing or does not have its official md5.
    """
    official = _official(name)
    folder = root / official.base_folder
    names = _read(folder / official.meta["filename"], official.meta["md5"])[official.meta["key"]]
    class_names = tuple(str(word).replace("_", " ") for word in names)

    def split(files: list[list[str]]) -> Images:
        entries = [_read(folder / file, md5) for file, md5 in files]
        rows = [entry["data"] for entry in entries]
        pixels = torch.from_numpy(rows[0] if len(rows) == 1 else np.concatenate(rows)).view(-1, 3, 32, 32)
        labels = [label for entry in entries for label in (entry.get("fine_labels") or entry["labels"])]
        return Images(pixels, torch.tensor(labels), class_names, name)

    return DataSet(name, train=split(official.train_list), test=split(official.test_list))


def _official(name: str) -> type[CIFAR10]:
    """torchvision's class, which knows file names, checksums and the address."""
    from torchvision.datasets import CIFAR10, CIFAR100

    return {"cifar10": CIFAR10, "cifar100": CIFAR100}[name]


def _read(path: Path, md5: str) -> dict[str, Any]:
    """Unpickle a file, but only the bytes that its md5 vouches for: a pickle can run code."""
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
        raise UserError(
            "this file is missing or differs from the official one (md5)",
            where=str(path),
            fix="`clsim data fetch` replaces it",
        )
    entry: dict[str, Any] = pickle.loads(content, encoding="latin1")  # noqa: S301
    return entry
