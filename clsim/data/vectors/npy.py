"""NumPy's files: `.npy`, and `.npz` with several arrays."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from clsim.data.vectors.entry import Entries, Entry, byte_count, mapped, spooled

_LOCAL_HEADER = 30
"""Bytes of a zip member's local header before its name."""
_PIECE = 1 << 24


@dataclass(frozen=True)
class _Header:
    """Header of an array: type, shape, order of numbers, and its own length in bytes."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    order: str
    length: int

    @property
    def end(self) -> int:
        return self.length + byte_count(self.dtype, self.shape)


def _header(stream: IO[bytes]) -> _Header:
    version = npy_format.read_magic(stream)  # type: ignore[no-untyped-call]
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version[0]}.{version[1]} of .npy holds no rows of numbers")
    read = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Python 2's headers, which are read or refused
        shape, columns_first, dtype = read(stream)
    return _Header(dtype, tuple(shape), "F" if columns_first else "C", stream.seek(0, io.SEEK_CUR))


def npy_entries(path: Path) -> Entries:
    """Return the array of a ``.npy`` file, memory-mapped when it is loaded."""
    with path.open("rb") as stream:
        header = _header(stream)
    if header.end != (size := path.stat().st_size):
        raise ValueError(f"it has {size:,} bytes, but an array of shape {header.shape} ends after {header.end:,}")
    return {"": _entry(path, header, 0)}


def _entry(path: Path, header: _Header, offset: int) -> Entry:
    def load() -> NDArray[Any]:
        return mapped(path, header.dtype, header.shape, offset + header.length, header.order)

    return Entry(header.shape, str(header.dtype), load)


def npz_entries(path: Path) -> Entries:
    """Return the arrays of a ``.npz`` file: memory-mapped, or unpacked to a temporary file if they are compressed."""
    found = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.filename.endswith(".npy"):
                with archive.open(member) as stream:
                    # A member's stream cannot seek back cheaply, so the header is parsed from a copy.
                    header = _header(io.BytesIO(stream.read(1 << 16)))
                found[member.filename.removesuffix(".npy")] = _member(path, member, header)
    return found


def _member(path: Path, member: zipfile.ZipInfo, header: _Header) -> Entry:
    if header.end != member.file_size:
        raise ValueError(f"{member.filename} has {member.file_size:,} bytes, but its array ends after {header.end:,}")
    if member.compress_type == zipfile.ZIP_STORED and not member.flag_bits & 1:
        return _entry(path, header, _start(path, member))

    def load() -> NDArray[Any]:
        shape = header.shape if header.order == "C" else header.shape[::-1]
        rows = spooled(_unpacked(path, member, header), header.dtype, shape)
        return rows if header.order == "C" else rows.T

    return Entry(header.shape, str(header.dtype), load)


def _start(path: Path, member: zipfile.ZipInfo) -> int:
    """Return the position of a stored member's first byte."""
    with path.open("rb") as stream:
        stream.seek(member.header_offset)
        local = stream.read(_LOCAL_HEADER)
    lengths = int.from_bytes(local[26:28], "little"), int.from_bytes(local[28:30], "little")
    return member.header_offset + _LOCAL_HEADER + sum(lengths)


def _unpacked(path: Path, member: zipfile.ZipInfo, header: _Header) -> Iterator[NDArray[Any]]:
    piece = max(1, _PIECE // header.dtype.itemsize) * header.dtype.itemsize
    with zipfile.ZipFile(path) as archive, archive.open(member) as stream:
        stream.read(header.length)
        while content := stream.read(piece):
            yield np.frombuffer(content, header.dtype)
