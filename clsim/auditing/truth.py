"""What counts as a right answer, and the figures of each query's list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clsim.data.vectors import Relevant
from clsim.metrics.functional.neighbor_lists import EMPTY

Figures = Mapping[str, NDArray[np.float64]]
"""Figure of each query by name, ``(Q,)``; NaN for a query that does not count."""


class Truth(Protocol):
    """Right answers of each query."""

    @property
    def counts(self) -> Tensor:
        """Number of right items of each query in the gallery, ``(Q,)``."""

    def hits(self, items: Tensor) -> Tensor:
        """Return whether each item of a query's list is right, ``(Q, K)`` bool; False at empty places."""

    def of(self, queries: Tensor) -> Truth:
        """Return the truth of some queries."""


@dataclass(frozen=True)
class LabelTruth:
    """Every item of the query's class is right.

    Attributes:
        query: Class of each query, ``(Q,)``.
        gallery: Class of each item, ``(N,)``.

    Example:
        >>> truth = LabelTruth(torch.tensor([1]), torch.tensor([0, 1, 1]))
        >>> truth.counts, truth.hits(torch.tensor([[0, 2]]))
        (tensor([2]), tensor([[False,  True]]))

    """

    query: Tensor
    gallery: Tensor

    @property
    def counts(self) -> Tensor:
        """Number of right items of each query, ``(Q,)``."""
        most = int(max(self.query.max(), self.gallery.max())) + 1
        return self.gallery.bincount(minlength=most)[self.query]

    def hits(self, items: Tensor) -> Tensor:
        """Return whether each item of a list is right, ``(Q, K)``."""
        return (self.gallery[items.clamp_min(0)] == self.query[:, None]) & (items != EMPTY)

    def of(self, queries: Tensor) -> LabelTruth:
        """Return the truth of some queries."""
        return LabelTruth(self.query[queries], self.gallery)


@dataclass(frozen=True)
class ListTruth:
    """The items of a list are right: relevant ones, or the neighbors by the new model.

    Attributes:
        items: Right items of each query, ``(Q, T)``, without repetition; -1 where there are fewer.

    Example:
        >>> ListTruth(torch.tensor([[4, 2], [1, -1]])).hits(torch.tensor([[2, 3], [1, 0]]))
        tensor([[ True, False],
                [ True, False]])

    """

    items: Tensor

    @property
    def counts(self) -> Tensor:
        """Number of right items of each query, ``(Q,)``."""
        return (self.items != EMPTY).sum(dim=1)

    def hits(self, items: Tensor) -> Tensor:
        """Return whether each item of a list is right, ``(Q, K)``."""
        # By binary search in sorted rows, since a comparison of all pairs would hold Q x K x T values.
        right = self.items.sort(dim=1).values.contiguous()
        place = torch.searchsorted(right, items.contiguous()).clamp_max(right.shape[1] - 1)
        return (right.gather(1, place) == items) & (items != EMPTY)

    def of(self, queries: Tensor) -> ListTruth:
        """Return the truth of some queries."""
        return ListTruth(self.items[queries])


def relevant_in(relevant: Relevant, queries: NDArray[Any], gallery: NDArray[Any], items: int) -> ListTruth:
    """Return the truth of some queries in a part of the items.

    Args:
        relevant: Relevant items of all queries.
        queries: Positions of the queries, ``(Q,)``.
        gallery: Positions of the items that the gallery holds, ``(N,)``; others are no answers.
        items: Number of all items.

    Example:
        >>> relevant = Relevant(starts=np.array([0, 2, 3]), items=np.array([4, 7, 5]))
        >>> relevant_in(relevant, np.array([1, 0]), np.array([7, 5]), 8).items.tolist()
        [[1], [0]]

    """
    place = np.full(items, EMPTY, dtype=np.int64)
    place[gallery] = np.arange(len(gallery))
    lists = [place[relevant.of(int(query))] for query in queries]
    lists = [found[found != EMPTY] for found in lists]
    table = np.full((len(lists), max(1, max(map(len, lists), default=1))), EMPTY, dtype=np.int64)
    for row, found in zip(table, lists, strict=True):
        row[: len(found)] = found
    return ListTruth(torch.from_numpy(table))


def query_figures(items: Tensor, truth: Truth, k: int, *, first: bool) -> Figures:
    r"""Return recall@k, nDCG@k and, on request, CMC@1 of each query's list.

    .. math:: R = \frac{h}{\min(k, T)}, \quad
        nDCG = \sum_{r \le k} \frac{h_r}{\log_2(1 + r)} \Big/ \sum_{r=1}^{\min(k, T)} \frac1{\log_2(1 + r)}

    with the hits :math:`h` among the first :math:`k` of a list and the number :math:`T` of right items. A query
    without a right item in the gallery does not count.

    Args:
        items: Lists of gallery positions, best first, ``(Q, K)`` with ``K >= k``, or all that there are.
        truth: Right answers.
        k: Length of the lists that a user sees.
        first: Whether CMC@1 is a figure: whether the first item is right.

    Example:
        >>> found = query_figures(torch.tensor([[0, 1]]), ListTruth(torch.tensor([[1, 5]])), k=2, first=True)
        >>> {name: round(float(values[0]), 4) for name, values in found.items()}
        {'recall@2': 0.5, 'ndcg@2': 0.3869, 'cmc@1': 0.0}

    """
    hits, counts = truth.hits(items[:, :k]).double(), truth.counts
    discounts = 1 / torch.arange(2, k + 2, dtype=torch.float64).log2()
    best = counts.clamp_max(k)
    figures = {
        f"recall@{k}": hits.sum(dim=1) / best,
        f"ndcg@{k}": hits @ discounts[: hits.shape[1]] / discounts.cumsum(0)[(best - 1).clamp_min(0)],
    }
    if first:
        figures["cmc@1"] = hits[:, 0]
    absent = counts == 0
    return {name: values.masked_fill(absent, float("nan")).numpy() for name, values in figures.items()}
