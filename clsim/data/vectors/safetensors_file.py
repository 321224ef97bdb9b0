"""Tensors of a safetensors file, memory-mapped without torch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clsim.data.vectors.entry import BLOCK, Entries, Entry, byte_count, mapped, spooled

_MAX_HEADER = 100 << 20
"""Largest header by the format's definition, in bytes."""
_TYPES = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"},
    **{"I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1"},
    **{"U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1"},
}


def safetensors_entries(path: Path) -> Entries:
    """Return the tensors of a safetensors file; bfloat16 becomes float32 in a temporary file."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= min(_MAX_HEADER, size - 8):
            raise ValueError(f"its header claims {length:,} bytes")
        header = json.loads(stream.read(length))
    header.pop("__metadata__", None)
    return {name: _entry(path, name, facts, 8 + length) for name, facts in header.items()}


def _entry(path: Path, name: str, facts: dict[str, Any], start: int) -> Entry:
    if facts["dtype"] not in _TYPES:
        return Entry(tuple(facts["shape"]), str(facts["dtype"]), partial(_refuse, name, facts["dtype"]))
    dtype, shape, (first, end) = np.dtype(_TYPES[facts["dtype"]]), tuple(facts["shape"]), facts["data_offsets"]
    if 0 not in shape and end - first != byte_count(dtype, shape):
        raise ValueError(f"{name} has {end - first:,} bytes, which is no array of shape {shape}")
    if not first >= 0:
        raise ValueError(f"{name} starts before the data")

    def load() -> NDArray[Any]:
        rows = mapped(path, dtype, shape, start + first)
        return rows if facts["dtype"] != "BF16" else spooled(_widened(rows), np.dtype(np.float32), shape)

    return Entry(shape, "bfloat16" if facts["dtype"] == "BF16" else str(dtype), load)


def _widened(rows: NDArray[Any]) -> Iterator[NDArray[np.float32]]:
    """Yield bfloat16 numbers as float32: the upper half of its bits."""
    for start in range(0, len(rows), BLOCK):
        yield (rows[start : start + BLOCK].astype(np.uint32) << 16).view(np.float32)


def _refuse(name: str, dtype: str) -> NDArray[Any]:
    raise ValueError(f"{name} has numbers of type {dtype}, which are not read")
