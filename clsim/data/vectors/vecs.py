"""Files of the TEXMEX and FAISS benchmarks: each row is its length, followed by its numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clsim.data.vectors.entry import BLOCK, Entries, Entry, mapped

_TYPES = {".fvecs": "<f4", ".ivecs": "<i4", ".bvecs": "u1"}
_MAX_WIDTH = 1 << 20


def vecs_entries(path: Path) -> Entries:
    """Return the rows of a ``.fvecs``, ``.ivecs`` or ``.bvecs`` file, memory-mapped."""
    dtype = np.dtype(_TYPES[path.suffix.lower()])
    size = path.stat().st_size
    with path.open("rb") as stream:
        width = int.from_bytes(stream.read(4), "little", signed=True)
    if not 1 <= width <= _MAX_WIDTH:
        raise ValueError(f"the length of the first row is {width:,}")
    row = 4 + width * dtype.itemsize
    if size % row and not _differing(path, size // row, row, width):
        raise ValueError(f"{size:,} bytes are no whole number of rows of {width} numbers")
    shape = (max(1, size // row), width)

    def load() -> NDArray[Any]:
        head = 4 // dtype.itemsize
        return mapped(path, dtype, (shape[0], head + width), 0)[:, head:]

    if (place := _differing(path, size // row, row, width)) is not None:
        raise ValueError(f"row {place[0]} has {place[1]:,} numbers, the first row has {width}")
    return {"": Entry(shape, str(dtype), load)}


def _differing(path: Path, count: int, row: int, width: int) -> tuple[int, int] | None:
    """Return the first row of another length, and that length."""
    if not count:
        return None
    content = mapped(path, np.dtype("u1"), (count, row), 0)
    for start in range(0, count, BLOCK):
        lengths = np.ascontiguousarray(content[start : start + BLOCK, :4]).view("<i4")[:, 0]
        if len(wrong := np.flatnonzero(lengths != width)):
            return start + int(wrong[0]), int(lengths[wrong[0]])
    return None
