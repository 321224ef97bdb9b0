"""Arrays that took long to make, kept on disk whole or not at all, and memory-mapped when read again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clsim.utils.files import atomic

Array = NDArray[Any]
log = logging.getLogger(__name__)


def cache_folders(root: Path) -> tuple[Path, ...]:
    """Where to look for kept arrays, and to keep them: beside the data; where that is read-only, at home."""
    return root / ".cache", Path.home() / ".cache" / "clsim" / "arrays"


def cached(key: str, make: Callable[[], Array], folders: Sequence[Path]) -> Array:
    """The array kept under ``key``, or else the one that ``make`` returns, kept for the next time.

    The result is mapped copy-on-write: what is written to it never reaches the disk. If no folder takes it
    (read-only, full), the array is returned from memory and the log says so.
    """
    return cached_all((key,), lambda: (make(),), folders)[0]


def cached_all(keys: Sequence[str], make: Callable[[], Sequence[Array]], folders: Sequence[Path]) -> list[Array]:
    """Return the arrays kept under ``keys`` in one folder, or else those that ``make`` returns; see :func:`cached`."""
    for folder in folders:
        try:
            return [_map(folder / f"{key}.npy") for key in keys]
        except (OSError, ValueError):  # not there, or not a whole array
            continue
    arrays = make()
    problems = []
    for folder in folders:
        try:
            return [_keep(array, folder / f"{key}.npy") for key, array in zip(keys, arrays, strict=True)]
        except OSError as error:
            problems.append(f"{folder}: {error.strerror or error}")
    log.warning("decoded images could not be kept on disk and will be decoded again (%s)", "; ".join(problems))
    return list(arrays)


def _map(path: Path) -> Array:
    array: Array = np.load(path, mmap_mode="c", allow_pickle=False)
    return array


def _keep(array: Array, path: Path) -> Array:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path, durable=False) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)
    return _map(path)
