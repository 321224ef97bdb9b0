"""Arrays in a file: what a reader of a format returns."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 16
"""Rows that a reader holds at once."""


@dataclass(frozen=True)
class Entry:
    """One array of a file, not read yet.

    Attributes:
        shape: Shape by the file's header.
        dtype: Type of the numbers in words, such as ``float32``.
        load: Function that returns the array, memory-mapped where the format allows it.

    """

    shape: tuple[int, ...]
    dtype: str
    load: Callable[[], NDArray[Any]]


Entries: TypeAlias = Mapping[str, Entry]
"""Arrays by the name of their member, column, data set or tensor; ``""`` in a format that holds one array only."""
Reader: TypeAlias = Callable[[Path], Entries]
"""Function that lists the arrays of a file. It may raise anything for a damaged file."""


def mapped(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int, order: str = "C") -> NDArray[Any]:
    """Return the numbers of a file as a read-only memory map.

    Args:
        path: Path of the file.
        dtype: Type of the numbers.
        shape: Shape of the array.
        offset: Bytes before the first number.
        order: ``C`` for row by row, ``F`` for column by column.

    Raises:
        ValueError: The file is too short, or the array is empty.

    """
    size, end = path.stat().st_size, offset + byte_count(dtype, shape)
    if end > size:
        raise ValueError(f"it ends after {size:,} bytes, but an array of shape {shape} needs {end:,}")
    if order == "F":
        return np.memmap(path, dtype, "r", offset, shape, "F")
    return np.memmap(path, dtype, "r", offset, shape, "C")


def byte_count(dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    """Return the size of an array in bytes, for any shape.

    Raises:
        ValueError: The array is empty, a size is negative, or the numbers are Python objects or have no size.

    Example:
        >>> byte_count(np.dtype("float32"), (10, 4))
        160

    """
    if dtype.hasobject:
        raise ValueError("it contains Python objects (a pickle), which are never loaded")
    if not shape or not all(isinstance(side, int) and side > 0 for side in shape) or not dtype.itemsize:
        raise ValueError(f"expected a non-empty array, got shape {shape} of {dtype}")
    total = dtype.itemsize
    for side in shape:
        total *= side  # of Python's integers: a forged shape must not overflow
    return total


def spooled(parts: Iterable[NDArray[Any]], dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return an array whose parts arrive one after the other, as a memory map of a temporary file.

    The file is removed at once; its space is free again when the array is. ``TMPDIR`` chooses its folder.

    Args:
        parts: Parts of the array in order, contiguous.
        dtype: Type of the numbers.
        shape: Shape of the whole array.

    Raises:
        ValueError: The parts do not add up to the shape.

    Example:
        >>> rows = spooled(iter([np.ones((1, 2)), np.zeros((1, 2))]), np.dtype("float64"), (2, 2))
        >>> rows.tolist()
        [[1.0, 1.0], [0.0, 0.0]]

    """
    expected, written = byte_count(dtype, shape), 0
    with tempfile.TemporaryFile() as file:
        for part in parts:
            content = np.ascontiguousarray(part, dtype)
            written += content.nbytes
            if written > expected:
                break
            file.write(content.data)
        if written != expected:
            raise ValueError(f"its content does not fill an array of shape {shape}")
        file.flush()
        return np.memmap(file, dtype, "r", 0, shape)
