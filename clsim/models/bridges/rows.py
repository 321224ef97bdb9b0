"""Rows in chunks: any tensor, array or memory map, without a copy of all of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clsim.models.bridges.protocols import Rows
from clsim.utils.errors import ArgumentError

CHUNK = 1 << 14
"""Rows read at once: 32 MiB of float32 at width 512."""


def as_rows(part: Any) -> Tensor:
    """Return a chunk as a tensor on the CPU: float64 as float64, everything else as float32.

    Example:
        >>> as_rows(np.ones((1, 2), dtype=np.float16)).dtype
        torch.float32

    """
    if not isinstance(part, Tensor):
        part = torch.from_numpy(np.array(part, dtype=None if np.asarray(part).dtype == np.float64 else np.float32))
    rows: Tensor = part.detach().cpu()
    return rows if rows.dtype == torch.float64 else rows.float()


def chunks(rows: Rows, size: int = CHUNK) -> Iterator[tuple[slice, Tensor]]:
    """Yield the position and the content of each chunk of rows.

    Example:
        >>> [(part.start, part.stop) for part, _ in chunks(torch.ones(5, 2), 3)]
        [(0, 3), (3, 5)]

    """
    count = int(rows.shape[0])
    for start in range(0, count, size):
        part = slice(start, min(start + size, count))
        yield part, as_rows(rows[part])


@dataclass(frozen=True)
class Subset:
    """Some rows of a set, read when needed.

    Attributes:
        rows: All rows.
        positions: Positions of the rows to keep, ascending for fast reads of a memory map.

    Example:
        >>> Subset(torch.tensor([[1.0], [2.0], [3.0]]), np.array([0, 2]))[0:2].tolist()
        [[1.0], [3.0]]

    """

    rows: Rows
    positions: np.ndarray[Any, np.dtype[np.int64]]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and width."""
        return len(self.positions), int(self.rows.shape[1])

    def __getitem__(self, rows: Any, /) -> Any:
        """Return the rows at a slice or at an array of positions."""
        positions = self.positions[rows]
        return self.rows[torch.from_numpy(positions) if isinstance(self.rows, Tensor) else positions]


def check_pairs(old: Rows, new: Rows, least: int = 2) -> None:
    """Raise if rows of two models are not pairs.

    Args:
        old: Rows of the old model, ``(N, d)``.
        new: Rows of the new model for the same items, ``(N, D)``.
        least: Smallest number of pairs.

    Raises:
        ArgumentError: The rows differ in number, are fewer than ``least``, or are no matrices.

    Example:
        >>> check_pairs(torch.ones(3, 2), torch.ones(4, 2))
        Traceback (most recent call last):
        clsim.utils.errors.ArgumentError: old and new differ in number of rows: 3 and 4

    """
    for name, rows in (("old", old), ("new", new)):
        if len(rows.shape) != 2 or 0 in rows.shape:
            raise ArgumentError(f"{name}: expected rows of numbers (N, D), got shape {tuple(rows.shape)}")
    if old.shape[0] != new.shape[0]:
        raise ArgumentError(f"old and new differ in number of rows: {old.shape[0]} and {new.shape[0]}")
    if old.shape[0] < least:
        raise ArgumentError(f"expected at least {least} pairs, got {old.shape[0]}")


def split_positions(count: int, shares: tuple[float, ...], seed: int) -> list[np.ndarray[Any, np.dtype[np.int64]]]:
    """Return disjoint random parts of the positions ``0 .. count - 1``, each ascending.

    Args:
        count: Number of rows.
        shares: Share of each part, positive, with a sum of at most 1.
        seed: Seed of the permutation.

    Raises:
        ArgumentError: A share is not positive, their sum exceeds 1, or a part is empty.

    Example:
        >>> [len(part) for part in split_positions(10, (0.6, 0.2, 0.2), seed=0)]
        [6, 2, 2]

    """
    if not all(share > 0 for share in shares) or sum(shares) > 1 + 1e-9:
        raise ArgumentError(f"split: expected positive shares with a sum of at most 1, got {shares}")
    ends = np.minimum(np.round(np.cumsum(shares) * count).astype(np.int64), count)
    parts = np.split(np.random.default_rng(seed).permutation(count)[: ends[-1]], ends[:-1])
    if not all(len(part) for part in parts):
        raise ArgumentError(f"split: {count} pairs are too few for the shares {shares}")
    return [np.sort(part) for part in parts]


def sample(pairs: tuple[Rows, Rows], most: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return float32 rows of at most ``most`` random pairs, in their order.

    Example:
        >>> [tuple(part.shape) for part in sample((torch.ones(9, 2), torch.ones(9, 3)), 4, seed=0)]
        [(4, 2), (4, 3)]

    """
    count = int(pairs[0].shape[0])
    positions = np.arange(count)
    if count > most:
        positions = np.sort(np.random.default_rng(seed).permutation(count)[:most])
    first, second = (torch.cat([part.float() for _, part in chunks(Subset(rows, positions))]) for rows in pairs)
    return first, second
