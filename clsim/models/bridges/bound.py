"""A bound on what any rotation can achieve, known before one is fitted."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch.nn import functional as F

from clsim.models.bridges.moments import Moments, moments_of
from clsim.models.bridges.protocols import Rows
from clsim.models.bridges.rows import CHUNK, check_pairs, chunks


@dataclass(frozen=True)
class ProcrustesBound:
    r"""Bound on the error of the best rotation between unit rows.

    Attributes:
        delta: Root mean squared difference :math:`\delta` of the cosines of the same two items by both models.
        error: Bound on the mean squared distance of rotated rows to their targets, from 0; at most 4 is possible.
        cosine: Bound from below on their mean cosine; -1 at least.

    """

    delta: float
    error: float
    cosine: float

    @property
    def informative(self) -> bool:
        """Whether the bound excludes anything: an error of 2 is that of unrelated rows."""
        return self.error < 2


def procrustes_bound(old: Rows, new: Rows, chunk: int = CHUNK) -> ProcrustesBound:
    r"""Return the bound on the error of the best orthogonal map between two models.

    .. math:: \min_R \frac{1}{N} \sum_i \lVert x_i R - y_i \rVert^2 \le \sqrt{2 D} \, \delta, \quad
        \delta^2 = \frac{1}{N (N - 1)} \sum_{i \ne j} (x_i^\top x_j - y_i^\top y_j)^2

    All pairs of items count: second moments give their sum without a loop over pairs. Rows are scaled to length 1.
    For different widths, the narrower rows are padded with zeros and :math:`2 D` becomes :math:`D + d`, the largest
    rank of the difference of both Gram matrices.

    Args:
        old: Rows of the old model, ``(N, d)``.
        new: Rows of the new model for the same items, ``(N, D)``.
        chunk: Rows read at once.

    Raises:
        ArgumentError: The rows are no pairs, or not finite.

    Source: Maystre et al. (arXiv 2510.13406), Corollary 1.

    Example:
        >>> import torch
        >>> procrustes_bound(torch.eye(3), torch.eye(3).roll(1, 0)).error
        0.0
        >>> bound = procrustes_bound(torch.eye(2), torch.ones(2, 2))
        >>> round(bound.delta, 6), round(bound.error, 6)
        (1.0, 2.0)

    """
    check_pairs(old, new)
    total: Moments | None = None
    for (_, first), (_, second) in zip(chunks(old, chunk), chunks(new, chunk), strict=True):
        part = moments_of(F.normalize(first.double(), dim=1), F.normalize(second.double(), dim=1), chunk)
        total = part if total is None else total + part
    assert total is not None
    return bound_of(total)


def bound_of(moments: Moments) -> ProcrustesBound:
    """Return the bound from the moments of unit rows, see :func:`procrustes_bound`.

    Args:
        moments: Moments of the pairs; which of the two is the source does not matter.

    Example:
        >>> import torch
        >>> bound_of(moments_of(torch.eye(2), torch.eye(2))).cosine
        1.0

    """
    squares = [float(sums.square().sum()) for sums in (moments.source, moments.cross, moments.target)]
    # Entries on the diagonal of both Gram matrices are 1 and cancel.
    total = max(0.0, squares[0] - 2 * squares[1] + squares[2])
    delta = math.sqrt(total / (moments.count * (moments.count - 1)))
    error = math.sqrt(sum(moments.cross.shape)) * delta
    return ProcrustesBound(delta, error, max(-1.0, 1 - error / 2))
