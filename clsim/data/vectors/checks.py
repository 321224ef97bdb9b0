"""What is unusual about a set of vectors, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from clsim.data.vectors.vector_set import VectorSet

SHOWN = 5
"""Rows named in a message."""
UNIT = 5e-3
"""Deviation of a norm from 1 that rounding to float16 may cause."""
FEW = 0.05
"""Share of rows of length 1 below which they are so by chance."""

Normalization = Literal["unit", "none", "mixed"]
Positions = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class VectorReport:
    """Unusual rows of a set of vectors.

    Attributes:
        not_finite: Positions of rows with NaN or infinite numbers.
        zero: Positions of rows without a direction: all their numbers are zero.
        duplicates: Positions of rows that equal an earlier one.
        first_of: Position of the earlier row of each duplicate.
        odd_norm: Positions of the rows in the minority if some rows have length 1 and others have not.
        normalization: ``unit`` if all rows have length 1, ``mixed`` if some have, else ``none``.
        norms: Least and greatest length of a usable row.

    """

    not_finite: Positions
    zero: Positions
    duplicates: Positions
    first_of: Positions
    odd_norm: Positions
    normalization: Normalization
    norms: tuple[float, float]

    @property
    def unusable(self) -> Positions:
        """Positions of rows with which no cosine can be computed, ascending."""
        return np.union1d(self.not_finite, self.zero)


def check_vectors(vectors: VectorSet) -> VectorReport:
    """Find rows that are not finite, zero, duplicates, or of another length than most, in one pass.

    Args:
        vectors: Set of vectors; float16, int8 and the like are compared by their values in float32.

    Example:
        >>> report = check_vectors(VectorSet(np.array([[3.0, 4.0], [0.0, 0.0], [3.0, 4.0]])))
        >>> report.zero, report.duplicates, report.first_of, report.norms
        (array([1]), array([2]), array([0]), (5.0, 5.0))

    """
    norms, hashes = np.empty(len(vectors)), np.empty(len(vectors), dtype=np.uint64)
    finite = np.empty(len(vectors), dtype=bool)
    for part, rows in vectors.chunks():
        finite[part] = np.isfinite(rows).all(axis=1)
        # The largest number of each row is taken out first, so that squares neither overflow nor vanish.
        largest = np.abs(rows).max(axis=1).astype(np.float64)
        safe = np.where(finite[part] & (largest > 0), largest, 1.0)
        scaled = rows.astype(np.float64) / safe[:, None]
        norms[part] = np.where(finite[part], safe * np.sqrt(np.einsum("nd,nd->n", scaled, scaled)), np.nan)
        hashes[part] = row_hashes(rows)
    zero = norms == 0
    usable = finite & ~zero
    duplicates, first_of = _duplicates(vectors, hashes, usable)
    normalization, odd = _normalization(norms, usable)
    kept = norms[usable]
    span = (float(kept.min()), float(kept.max())) if len(kept) else (0.0, 0.0)
    not_finite = np.flatnonzero(~finite)
    return VectorReport(not_finite, np.flatnonzero(zero), duplicates, first_of, odd, normalization, span)


def row_hashes(rows: NDArray[Any]) -> NDArray[np.uint64]:
    """Return a hash of 64 bits of each row; 0 and -0 are equal.

    Args:
        rows: Rows, ``(N, D)`` of float32 or float64.

    Example:
        >>> hashes = row_hashes(np.array([[0.0, 1.0], [-0.0, 1.0], [1.0, 0.0]]))
        >>> bool(hashes[0] == hashes[1]), bool(hashes[0] == hashes[2])
        (True, False)

    """
    words = np.ascontiguousarray(rows + 0.0).view(np.uint32).astype(np.uint64)
    odd = np.random.default_rng(0).integers(0, 2**63, size=words.shape[1], dtype=np.uint64) | np.uint64(1)
    # Sums modulo 2**64; mixing the words first makes equal sums of different rows improbable.
    words ^= words << np.uint64(29)
    words *= odd
    words ^= words >> np.uint64(32)
    words *= odd
    total: NDArray[np.uint64] = words.sum(axis=1, dtype=np.uint64)
    return total


def _duplicates(vectors: VectorSet, hashes: NDArray[np.uint64], usable: Mask) -> tuple[Positions, Positions]:
    """Return the rows that equal an earlier one, and that one; equal hashes are compared number by number."""
    positions = np.flatnonzero(usable)
    order = positions[np.argsort(hashes[positions], kind="stable")]
    starts = np.flatnonzero(np.concatenate([[True], hashes[order][1:] != hashes[order][:-1]]))
    lengths = np.diff(np.append(starts, len(order)))
    group_first = np.repeat(order[starts], lengths) if len(order) else order
    candidates = np.flatnonzero(order != group_first)
    equal = np.zeros(len(candidates), dtype=bool)
    for start in range(0, len(candidates), 4096):
        some = candidates[start : start + 4096]
        equal[start : start + 4096] = (vectors[order[some]] == vectors[group_first[some]]).all(axis=1)
    later, first = order[candidates[equal]], group_first[candidates[equal]]
    ascending = np.argsort(later, kind="stable")
    return later[ascending], first[ascending]


def _normalization(norms: NDArray[np.float64], usable: Mask) -> tuple[Normalization, Positions]:
    unit = usable & (np.abs(norms - 1) < UNIT)
    count, total = int(unit.sum()), int(usable.sum())
    if count == total:
        return "unit", np.empty(0, dtype=np.int64)
    if count < FEW * total:
        return "none", np.empty(0, dtype=np.int64)
    return "mixed", np.flatnonzero(usable & ~unit if 2 * count >= total else unit)


def named_rows(vectors: VectorSet, positions: Positions) -> str:
    """Return the first of some rows in words, for messages.

    Example:
        >>> named_rows(VectorSet(np.eye(9)), np.arange(8))
        'row 0, row 1, row 2, row 3, row 4 and 3 more'

    """
    shown = ", ".join(_rows(vectors, positions[:SHOWN]))
    return shown + (f" and {len(positions) - SHOWN:,} more" if len(positions) > SHOWN else "")


def _rows(vectors: VectorSet, positions: Positions) -> Iterator[str]:
    return (vectors.row(int(position)) for position in positions)
