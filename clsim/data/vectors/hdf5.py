"""Data sets of an HDF5 file, such as those of ann-benchmarks. Needs h5py."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clsim.data.vectors.entry import BLOCK, Entries, Entry, mapped, spooled


def hdf5_entries(path: Path) -> Entries:
    """Return the data sets: memory-mapped if contiguous, else copied to a temporary file when loaded."""
    import h5py

    found: dict[str, Entry] = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.shape:
            found[name] = Entry(tuple(map(int, item.shape)), str(item.dtype), partial(_load, path, name))

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return found


def _load(path: Path, name: str) -> NDArray[Any]:
    import h5py

    with h5py.File(path, "r") as file:
        dataset = file[name]
        if dataset.external or dataset.is_virtual:
            raise ValueError(f"{name} refers to other files, which are not read")
        if h5py.check_string_dtype(dataset.dtype):
            return np.array(dataset.asstr()[...], dtype=str)
        shape, dtype = tuple(map(int, dataset.shape)), dataset.dtype
        if dataset.chunks is None and (offset := dataset.id.get_offset()) is not None:
            return mapped(path, dtype, shape, offset)
        return spooled(_parts(dataset), dtype, shape)


def _parts(dataset: Any) -> Iterator[NDArray[Any]]:
    for start in range(0, len(dataset), BLOCK):
        yield dataset[start : start + BLOCK]
