"""Cache of arrays that are slow to compute: written atomically, memory-mapped when read."""

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
    """Return the folders of the cache: beside the data, or in the home directory where that is read-only."""
    return root / ".cache", Path.home() / ".cache" / "clsim" / "arrays"


def cached(key: str, make: Callable[[], Array], folders: Sequence[Path]) -> Array:
    """Return the cached array, or compute and cache it.

    The result is mapped copy-on-write: writing to it never changes the file. If no folder is writable, the array stays
    in memory and a warning is logged.

    Args:
        key: Key of the array.
        make: Function that computes the array.
        folders: Folders to search and to write to, in this order.
    """
    return cached_all((key,), lambda: (make(),), folders)[0]


def cached_all(keys: Sequence[str], make: Callable[[], Sequence[Array]], folders: Sequence[Path]) -> list[Array]:
    """Return several arrays cached in one folder, or compute and cache them; see :func:`cached`."""
    for folder in folders:
        try:
            return [_map(folder / f"{key}.npy") for key in keys]
        except (OSError, ValueError):  # missing or damaged
            continue
    arrays = make()
    problems = []
    for folder in folders:
        try:
            return [_save(array, folder / f"{key}.npy") for key, array in zip(keys, arrays, strict=True)]
        except OSError as error:
            problems.append(f"{folder}: {error.strerror or error}")
    log.warning("decoded images could not be cached on disk and will be decoded again (%s)", "; ".join(problems))
    return list(arrays)


def _map(path: Path) -> Array:
    array: Array = np.load(path, mmap_mode="c", allow_pickle=False)
    return array


def _save(array: Array, path: Path) -> Array:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path, durable=False) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)
    return _map(path)
