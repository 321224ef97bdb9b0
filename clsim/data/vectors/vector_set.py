"""Vectors of one model, read in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clsim.data.vectors.formats import MEMBER, list_arrays, read_array, split_location
from clsim.data.vectors.pages import release
from clsim.utils.errors import UserError

CHUNK = 1 << 14
"""Rows read at once: 32 MiB of float32 at width 512."""
NUMBERS = ("float16", "float32", "float64", "int8", "uint8")
"""Types of numbers that vectors may have; bfloat16 becomes float32 when it is read."""


@dataclass(frozen=True)
class VectorSet:
    """Vectors of items by one model, and the ids of the items.

    The vectors may be a memory map: a row takes memory only while it is read. Slices and arrays of positions return
    float32 copies, or float64 of float64.

    Args:
        array: Vectors, ``(N, D)``, of a type in :data:`NUMBERS`.
        ids: Ids of the items, ``(N,)`` whole numbers or texts; None if the position is the id.
        name: Name for messages, usually a path.
        positions: Rows of ``array`` that belong to the set, in this order; None for all.

    Raises:
        UserError: The array has another shape or type, or differs from the ids in length.

    Example:
        >>> vectors = VectorSet(np.eye(3, dtype=np.float16), name="eye")
        >>> len(vectors), vectors.width, vectors.dtype, vectors[1:2]
        (3, 3, 'float16', array([[0., 1., 0.]], dtype=float32))

    """

    array: NDArray[Any] = field(repr=False)
    ids: NDArray[Any] | None = field(default=None, repr=False)
    name: str = "vectors"
    positions: NDArray[np.int64] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        shape, dtype = self.array.shape, str(self.array.dtype.newbyteorder("="))
        if len(shape) != 2 or 0 in shape:
            raise UserError(f"expected vectors (N, D), got an array of shape {shape}", where=self.name)
        if dtype not in NUMBERS:
            fix = f"Vectors are of the types {', '.join(NUMBERS)}."
            raise UserError(f"expected vectors, got numbers of type {dtype}", where=self.name, fix=fix)
        if self.ids is not None:
            _check_ids(self.ids, shape[0], self.name)

    def __len__(self) -> int:
        return self.array.shape[0] if self.positions is None else len(self.positions)

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> NDArray[Any]:
        """Return the rows at a slice or at an array of positions."""
        content = self.array[rows if self.positions is None else self.positions[rows]]
        copy = np.array(content, dtype=np.float64 if content.dtype.itemsize == 8 else np.float32)
        release(self.array)
        return copy

    @property
    def shape(self) -> tuple[int, int]:
        """Number of vectors and their width."""
        return len(self), self.width

    @property
    def width(self) -> int:
        """Numbers of a vector."""
        return int(self.array.shape[1])

    @property
    def dtype(self) -> str:
        """Type of the stored numbers, such as ``float16``."""
        return str(self.array.dtype.newbyteorder("="))

    def chunks(self, size: int = CHUNK) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Yield position and content of each chunk of rows."""
        for start in range(0, len(self), size):
            part = slice(start, min(start + size, len(self)))
            yield part, self[part]

    def take(self, positions: NDArray[np.int64]) -> VectorSet:
        """Return the set of some rows, in the order of their positions, without reading them.

        Example:
            >>> VectorSet(np.eye(3)).take(np.array([2, 0]))[0:1]
            array([[0., 0., 1.]])

        """
        kept = positions if self.positions is None else self.positions[positions]
        return replace(self, positions=kept)

    def row(self, position: int) -> str:
        """Return the name of a row for messages: its place in the file and its id."""
        place = position if self.positions is None else int(self.positions[position])
        return f"row {place}" + ("" if self.ids is None else f" (id {self.ids[place]})")

    @property
    def row_ids(self) -> NDArray[Any]:
        """Ids of the set's rows, ``(N,)``; positions if there are none."""
        if self.ids is None:
            return np.arange(len(self)) if self.positions is None else self.positions
        return self.ids if self.positions is None else self.ids[self.positions]


def open_vectors(location: str | Path, ids: str | Path | None = None) -> VectorSet:
    """Open the vectors in a file, without reading them.

    Formats: ``.npy``, ``.npz``, ``.safetensors``, ``.fvecs``, ``.bvecs``, ``.parquet``, ``.arrow``, ``.feather``,
    ``.hdf5``, ``.h5``, and run directories with ``features/``. Parquet and Arrow need pyarrow, HDF5 needs h5py
    (``pip install 'clsim[audit]'``). Compressed arrays, columns of Parquet and Arrow, and bfloat16 are copied to a
    temporary file, everything else is memory-mapped. Pickles are never loaded.

    Args:
        location: ``PATH``, or ``PATH::MEMBER`` with the name of a member of ``.npz``, a column, an HDF5 data set, a
            tensor, or ``version3`` or ``version3/query`` of a run.
        ids: Ids of the items: the name of a member of the same file, or a location of its own, such as a ``.txt`` file
            with one id per line. By default, the position is the id.

    Raises:
        UserError: A file is missing, damaged or of an unknown format, or it holds no vectors.

    Example:
        >>> from tempfile import mkdtemp
        >>> path = Path(mkdtemp()) / "old.npz"
        >>> np.savez(path, vectors=np.eye(2, dtype=np.float32), ids=np.array(["a", "b"]))
        >>> open_vectors(path, ids="ids").row(1)
        'row 1 (id b)'

    """
    vectors = read_array(location, 2)
    if ids is None:
        return VectorSet(vectors, None, str(location))
    path = split_location(location)[0]
    inside = isinstance(ids, str) and ids in list_arrays(path)
    return VectorSet(vectors, read_array(f"{path}{MEMBER}{ids}" if inside else ids, 1, "ids"), str(location))


def as_vectors(values: VectorSet | ArrayLike, name: str = "vectors") -> VectorSet:
    """Return a set of vectors in memory: an array, a tensor on the CPU, or nested lists of numbers.

    Args:
        values: Vectors, ``(N, D)``; a set is returned unchanged.
        name: Name for messages.

    Raises:
        UserError: The values are no vectors.

    Example:
        >>> as_vectors([[1.0, 2.0]]).shape
        (1, 2)

    """
    if isinstance(values, VectorSet):
        return values
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"expected rows of numbers: {error}", where=name) from error
    return VectorSet(array, None, name)


def _check_ids(ids: NDArray[Any], count: int, name: str) -> None:
    if ids.ndim != 1 or ids.dtype.kind not in "iuU":
        raise UserError(f"ids: expected whole numbers or texts, got {ids.dtype} of shape {ids.shape}", where=name)
    if len(ids) != count:
        raise UserError(f"ids: expected one for each of the {count:,} vectors, got {len(ids):,}", where=name)
