"""CIFAR-10 and CIFAR-100 from the official files, and CIFAR-10 from a folder of images."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchvision.datasets import CIFAR10, CIFAR100

from clsim.data.images import DataSet, Images
from clsim.data.network import connection
from clsim.errors import UserError

# torchvision knows the file names, their md5 and where they come from.
OFFICIAL = {"cifar10": CIFAR10, "cifar100": CIFAR100}


def is_here(name: str, root: Path) -> bool:
    """Whether every official file is there; :func:`load` looks at what is in them."""
    official = OFFICIAL[name]
    files = [file for file, _ in [*official.train_list, *official.test_list]]
    return all((root / official.base_folder / file).is_file() for file in [*files, official.meta["filename"]])


def fetch(name: str, root: Path) -> None:
    """Download and unpack the official archive.

    Raises:
        OSError: no network, a broken transfer or a full disk.
    """
    official = OFFICIAL[name]
    with connection(official.url):
        try:
            official(root, download=True)
        except RuntimeError as error:  # torchvision's word for a transfer that does not match its md5
            raise OSError(str(error)) from error


def load(name: str, root: Path) -> DataSet:
    """Read the official files, images and classes in their official order; ``_`` in a name becomes a space.

    Raises:
        UserError: a file does not have its official md5.
    """
    official = OFFICIAL[name]
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


def verify(name: str, root: Path) -> None:
    """Compare every official file with its md5.

    Raises:
        UserError: the first that differs.
    """
    official = OFFICIAL[name]
    meta = (official.meta["filename"], official.meta["md5"])
    for file, md5 in [*official.train_list, *official.test_list, meta]:
        _checked(root / official.base_folder / file, md5)


def _checked(path: Path, md5: str) -> bytes:
    content = path.read_bytes()
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
        raise UserError(
            "this file differs from the official one (md5)",
            where=str(path),
            fix="remove it and run `clsim data fetch`, or copy the official file here",
        )
    return content


def _read(path: Path, md5: str) -> dict[str, Any]:
    # A pickle can run code, so nothing is unpickled but the bytes that the md5 vouches for.
    entry: dict[str, Any] = pickle.loads(_checked(path, md5), encoding="latin1")  # noqa: S301
    return entry
