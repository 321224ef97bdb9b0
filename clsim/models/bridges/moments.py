"""Second moments of paired rows: everything that a closed-form map needs, in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch
from torch import Tensor

from clsim.models.bridges.protocols import Rows, Side
from clsim.models.bridges.rows import CHUNK, chunks
from clsim.utils.errors import ArgumentError

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class Moments:
    r"""Sums over paired rows :math:`x_i` (source) and :math:`y_i` (target), in float64.

    They do not grow with the number of pairs, and the moments of two parts add up to those of both.

    Attributes:
        count: Number of pairs.
        source_sum: :math:`\sum_i x_i`, ``(S,)``.
        target_sum: :math:`\sum_i y_i`, ``(T,)``.
        source: :math:`\sum_i x_i x_i^\top`, ``(S, S)``.
        cross: :math:`\sum_i x_i y_i^\top`, ``(S, T)``.
        target: :math:`\sum_i y_i y_i^\top`, ``(T, T)``.

    Example:
        >>> moments = moments_of(torch.tensor([[1.0], [3.0]]), torch.tensor([[2.0], [4.0]]))
        >>> moments.count, moments.source.item(), moments.cross.item()
        (2, 10.0, 14.0)
        >>> (moments + moments).centered.cross.item()
        4.0

    """

    count: int
    source_sum: Tensor
    target_sum: Tensor
    source: Tensor
    cross: Tensor
    target: Tensor

    def __add__(self, other: Moments) -> Moments:
        """Return the moments of both parts."""
        return Moments(
            self.count + other.count,
            self.source_sum + other.source_sum,
            self.target_sum + other.target_sum,
            self.source + other.source,
            self.cross + other.cross,
            self.target + other.target,
        )

    @property
    def swapped(self) -> Moments:
        """Moments with source and target exchanged."""
        return Moments(self.count, self.target_sum, self.source_sum, self.target, self.cross.T, self.source)

    @property
    def source_mean(self) -> Tensor:
        """Mean of the source, ``(S,)``."""
        return self.source_sum / self.count

    @property
    def target_mean(self) -> Tensor:
        """Mean of the target, ``(T,)``."""
        return self.target_sum / self.count

    @property
    def centered(self) -> Moments:
        """Moments about the means."""
        x, y = self.source_mean, self.target_mean
        return Moments(
            self.count,
            torch.zeros_like(x),
            torch.zeros_like(y),
            self.source - self.count * torch.outer(x, x),
            self.cross - self.count * torch.outer(x, y),
            self.target - self.count * torch.outer(y, y),
        )


def moments_of(source: Rows, target: Rows, chunk: int = CHUNK) -> Moments:
    """Return the moments of paired rows, read a chunk at a time.

    Args:
        source: Rows to map, ``(N, S)``.
        target: Rows of the same items in the other space, ``(N, T)``.
        chunk: Rows read at once.

    Raises:
        ArgumentError: The rows contain NaN or infinite numbers.

    """
    total: Moments | None = None
    for (_, first), (_, second) in zip(chunks(source, chunk), chunks(target, chunk), strict=True):
        x, y = first.double(), second.double()
        part = Moments(len(x), x.sum(dim=0), y.sum(dim=0), x.T @ x, x.T @ y, y.T @ y)
        total = part if total is None else total + part
    if total is None:
        raise ArgumentError("expected at least one pair, got none")
    if not bool(total.source.isfinite().all() and total.target.isfinite().all()):
        raise ArgumentError("the rows contain NaN or infinite numbers", fix="remove these rows from both sides")
    return total


@runtime_checkable
class FitsMoments(Protocol):
    """Bridge that is fitted from second moments, so that one pass over the pairs serves several."""

    side: Side

    def fit_moments(self, moments: Moments, validation: Moments | None = None) -> Self:
        """Fit the map to the moments of its source and target, and return the bridge."""
