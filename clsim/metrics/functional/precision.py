"""Retrieval metrics of the whole list of results: mAP, nDCG@k and R-precision.

Follows the rules of :mod:`clsim.metrics.functional.retrieval`. Imports torch only when it computes.
"""

from __future__ import annotations

from collections.abc import Callable
from math import fsum
from typing import TYPE_CHECKING, NamedTuple

from clsim.metrics.functional.checks import (
    Features,
    Labels,
    SelfItems,
    Unmatched,
    as_count,
    check_unmatched,
    mean_of_queries,
)
from clsim.metrics.functional.retrieval import own_class_similarities
from clsim.metrics.functional.similarity import similarity_blocks

if TYPE_CHECKING:
    from torch import Tensor

DISCOUNT_GRID = 2.0**36
"""Steps between 0 and 1 to which discounts are rounded, so that their sums are exact in any order."""


def mean_average_precision(
    query: Features,
    query_labels: Labels,
    gallery: Features,
    gallery_labels: Labels,
    exclude_self: SelfItems = False,
    *,
    unmatched: Unmatched = "wrong",
    chunk: int | None = None,
) -> float:
    r"""Return mAP: precision at each item of the query's class, averaged over these items, then over the queries.

    .. math:: AP_i = \frac{1}{|P_i|} \sum_{p \in P_i}
        \frac{\#\{m \in P_i : s_{im} \ge s_{ip}\}}{\#\{n : s_{in} \ge s_{ip}\}}, \quad P_i = \{p : y_p = y_i\}

    Ties share a rank, as in scikit-learn's ``average_precision_score``, with which this agrees. :math:`AP_i = 0` if
    :math:`P_i` is empty. Takes the other arguments of :func:`match_ranks`.

    Args:
        unmatched: Treatment of queries whose class is not in the gallery: count as 0 (``wrong``), or ``skip``.

    Raises:
        ValueError: Shapes or types do not fit, an input is empty, or features are not finite.

    Example:
        >>> mean_average_precision([[1.0, 0.1]], [1], [[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], [0, 1, 2])
        0.5

    """
    return _mean(_average_precision, query, query_labels, gallery, gallery_labels, exclude_self, unmatched, chunk)


def ndcg_at_k(
    query: Features,
    query_labels: Labels,
    gallery: Features,
    gallery_labels: Labels,
    k: int = 10,
    exclude_self: SelfItems = False,
    *,
    unmatched: Unmatched = "wrong",
    chunk: int | None = None,
) -> float:
    r"""Return nDCG@k: discounted hits among the k nearest items, as a fraction of the best possible.

    .. math:: nDCG_i@k = \sum_{r_{ip} \le k} \frac1{\log_2(1 + r_{ip})} \Big/
        \sum_{r=1}^{\min(k, |P_i|)} \frac1{\log_2(1 + r)}, \quad P_i = \{p : y_p = y_i\}

    :math:`r_{ip}` is the rank of item :math:`p`; items of other classes that tie with it rank ahead. Without ties this
    equals scikit-learn's ``ndcg_score``. Takes the other arguments of :func:`match_ranks`.

    Args:
        k: Cut-off rank, at least 1.
        unmatched: Treatment of queries whose class is not in the gallery: count as 0 (``wrong``), or ``skip``.

    Raises:
        ValueError: Shapes or types do not fit, ``k`` is below 1, an input is empty, or features are not finite.

    Source: Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques" (2002), with gains of 0 and 1.

    Example:
        >>> round(ndcg_at_k([[1.0, 0.1]], [1], [[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], [0, 1, 2]), 4)  # 1 / log2(3)
        0.6309

    """
    k = as_count(k, "k")

    def scores(ranked: _Ranked) -> Tensor:
        gain = _discounts(ranked.rank).where(ranked.known & (ranked.rank <= k), 0.0).sum(dim=1)
        best = _best_gains(ranked, k)
        return gain / best.where(ranked.matches > 0, 1.0)

    return _mean(scores, query, query_labels, gallery, gallery_labels, exclude_self, unmatched, chunk)


def r_precision(
    query: Features,
    query_labels: Labels,
    gallery: Features,
    gallery_labels: Labels,
    exclude_self: SelfItems = False,
    *,
    unmatched: Unmatched = "wrong",
    chunk: int | None = None,
) -> float:
    r"""Return R-precision: the fraction of a query's class among its :math:`R_i` nearest items.

    :math:`R_i` is the number of gallery items of the class, so a perfect list scores 1. Items of other classes that tie
    rank ahead. Takes the arguments of :func:`mean_average_precision`.

    Source: Musgrave et al., "A Metric Learning Reality Check" (ECCV 2020, arXiv 2003.08505), section 2.2.

    Example:
        >>> r_precision([[1.0, 0.1]], [1], [[1.0, 0.0], [0.9, 0.4], [0.6, 0.8]], [0, 1, 1])
        0.5

    """

    def scores(ranked: _Ranked) -> Tensor:
        found = (ranked.known & (ranked.rank <= ranked.matches[:, None])).sum(dim=1)
        return found.double() / ranked.matches.clamp_min(1)

    return _mean(scores, query, query_labels, gallery, gallery_labels, exclude_self, unmatched, chunk)


class _Ranked(NamedTuple):
    """The items of each query's class in ascending order of similarity, ``(q, most)``.

    Attributes:
        known: Whether an entry is an item, not padding.
        own: Number of items of the class that are at least as similar.
        all: Number of items of any class that are at least as similar.
        rank: Rank from 1; items of other classes that tie rank ahead.
        matches: Number of items of the class, ``(q,)``.

    """

    known: Tensor
    own: Tensor
    all: Tensor
    rank: Tensor
    matches: Tensor


def _rank(similarity: Tensor, same: Tensor) -> _Ranked:
    """Rank the items of each query's class by bisections of sorted rows. Overwrites ``similarity``."""
    import torch

    own_class, matches = own_class_similarities(similarity, same)
    own_class, items = _ascending(own_class), similarity.shape[1]
    most = own_class.shape[1]
    own = most - torch.searchsorted(own_class, own_class)
    everything = items - torch.searchsorted(_ascending(similarity), own_class)
    place = torch.arange(most, 0, -1, device=own.device)
    return _Ranked(own_class > -float("inf"), own, everything, place + everything - own, matches)


def _average_precision(ranked: _Ranked) -> Tensor:
    precision = (ranked.own.double() / ranked.all).where(ranked.known, 0.0)
    return _sums(precision) / ranked.matches.clamp_min(1)


def _discounts(rank: Tensor) -> Tensor:
    """Return the discount of each rank, float64."""
    return (1.0 / (rank.double() + 1).log2()).mul_(DISCOUNT_GRID).round_().div_(DISCOUNT_GRID)


def _best_gains(ranked: _Ranked, k: int) -> Tensor:
    """Return the discounted hits of a perfect list of each query, ``(q,)``."""
    import torch

    most = max(1, min(k, ranked.rank.shape[1]))
    gains = _discounts(torch.arange(1, most + 1, device=ranked.matches.device)).cumsum(dim=0)
    return gains[ranked.matches.clamp(1, most) - 1]


def _mean(
    scores: Callable[[_Ranked], Tensor],
    query: Features,
    query_labels: Labels,
    gallery: Features,
    gallery_labels: Labels,
    exclude_self: SelfItems,
    unmatched: Unmatched,
    chunk: int | None,
) -> float:
    """Return the mean over the queries of a score of their ranked items, ``(q,)``."""
    check_unmatched(unmatched)
    values: list[float] = []
    matched = 0
    for similarity, same in similarity_blocks(
        query, query_labels, gallery, gallery_labels, exclude_self=exclude_self, chunk=chunk
    ):
        ranked = _rank(similarity, same)
        values += scores(ranked).tolist()
        matched += int((ranked.matches > 0).sum())
    return mean_of_queries(fsum(values), matched, len(values), unmatched)


def _sums(fractions: Tensor) -> Tensor:
    """Return the sum of each row of fractions, independent of their order and of zeros among them."""
    coarse = (fractions * 2.0**26).round() / 2.0**26
    fine = ((fractions - coarse) * 2.0**53).round() / 2.0**53
    return coarse.sum(dim=1) + fine.sum(dim=1)


def _ascending(rows: Tensor) -> Tensor:
    """Return each row sorted. On the CPU numpy sorts in place, forty times as fast as torch."""
    if rows.device.type != "cpu":
        return rows.sort(dim=1).values
    rows.numpy().sort(axis=1)
    return rows
