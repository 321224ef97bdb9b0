"""Comparison of each version with the previous one: flips, update gain, compatibility constraints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from clsim.metrics.functional.checks import SelfItems
from clsim.metrics.functional.compatibility import constraints_satisfied, update_gain
from clsim.metrics.functional.criteria import truncate_to_common
from clsim.metrics.functional.flips import flip_rates, relative_negative_flip_rate
from clsim.metrics.functional.recall import nearest_others, recall_of_exact
from clsim.metrics.functional.sampling import sample_evenly

RATES = ("negative_flip_rate", "positive_flip_rate", "relative_negative_flip_rate")
FIGURES = (*RATES, "update_gain", "constraints")
RECALL_AT = 10
"""Results that count for the recall of a re-indexed gallery."""


def mean_rates(correct: Sequence[tuple[Tensor, Tensor]]) -> dict[str, float | None]:
    """Return the :data:`RATES`, averaged over search directions.

    Args:
        correct: Correctness of the queries of each direction by the previous version and by this one, ``(Q,)`` bool.

    Returns:
        Rates; the relative one is ``None`` if it is undefined in a direction.

    Example:
        >>> import torch
        >>> mean_rates([(torch.tensor([True, False]), torch.tensor([False, False]))])
        {'negative_flip_rate': 0.5, 'positive_flip_rate': 0.0, 'relative_negative_flip_rate': 1.0}

    """
    negative, positive = zip(*(flip_rates(old, new) for old, new in correct), strict=True)
    relative = [relative_negative_flip_rate(old, new) for old, new in correct]
    known = [rate for rate in relative if rate is not None]
    means = (sum(negative) / len(correct), sum(positive) / len(correct))
    return dict(zip(RATES, (*means, sum(known) / len(known) if len(known) == len(relative) else None), strict=True))


def flip_record(
    matrix: Sequence[Sequence[float]],
    correct: Sequence[tuple[Tensor, Tensor]],
    constraints: dict[str, float | None] | None = None,
) -> dict[str, Any]:
    """Return the :data:`FIGURES` of the last version.

    Args:
        matrix: Cross-test matrix of at least two versions.
        correct: Correctness of the queries, see :func:`mean_rates`.
        constraints: Fractions of pairs that satisfy the constraints of compatibility.

    Example:
        >>> import torch
        >>> right = torch.tensor([True, False])
        >>> flip_record([[0.5], [0.625, 0.75]], [(right, ~right)])["update_gain"]
        0.5

    """
    gain = update_gain(matrix[-1][-2], matrix[-2][-1], matrix[-1][-1])
    return {**mean_rates(correct), "update_gain": gain, "constraints": constraints}


@dataclass(frozen=True)
class _Version:
    """Sampled queries, gallery and correctness of queries of one version."""

    query: Tensor
    gallery: Tensor
    correct: Tensor


class FlipTests:
    """Comparison of each version with the previous one, which it stores.

    Args:
        query_labels: Class ids of the queries, ``(Q,)``.
        gallery_labels: Class ids of the gallery, ``(N,)``.
        queries: Maximal number of queries for the constraints and the recall of a re-indexed gallery, which involve all
            pairs with the gallery. They are sampled evenly over the classes.
        same_images: Whether query ``i`` is gallery item ``i``.
        truncate: Whether queries wider than the old ones are cut to their width.
        self_items: Gallery items that each query is if the sets differ, ``(Q, M)``, negative for none.

    """

    def __init__(
        self,
        query_labels: Tensor,
        gallery_labels: Tensor,
        *,
        queries: int,
        same_images: bool,
        truncate: bool,
        self_items: Tensor | None = None,
    ) -> None:
        self.query_labels = query_labels
        self.gallery_labels = gallery_labels
        self.truncate = truncate
        self._sample = sample_evenly(query_labels, queries)
        self._excluded: SelfItems = False if self_items is None else self_items[self._sample]
        if same_images:
            self._excluded = self._sample
        self._last: _Version | None = None

    def record(
        self, matrix: Sequence[Sequence[float]], query: Tensor, gallery: Tensor, correct: Sequence[Tensor]
    ) -> dict[str, Any]:
        """Return the :data:`FIGURES` and ``reindex_recall`` of the next version, and store the version.

        All are ``None`` for the first version. ``reindex_recall`` is the
        :func:`~clsim.metrics.functional.recall.recall_of_exact` of a search by this version in the previous gallery;
        exact is the same search in its own gallery. Features of different widths find nothing: 0.

        Args:
            matrix: Cross-test matrix up to this version.
            query: Query features, ``(Q, D)``.
            gallery: Gallery features, ``(N, D)``.
            correct: Correctness of the queries in the previous gallery and in this version's own, ``(Q,)`` bool each.

        """
        last, self._last = self._last, _Version(query[self._sample.to(query.device)], gallery, correct[-1])
        if last is None:
            return dict.fromkeys((*FIGURES, "reindex_recall"))
        query = self._last.query
        record = flip_record(matrix, [(last.correct, correct[0])], self._constraints(query, last))
        return {**record, "reindex_recall": self._reindex_recall(query, gallery, last)}

    def state_dict(self) -> dict[str, Any]:
        """Return the stored version."""
        return {"last": None if self._last is None else (self._last.query, self._last.gallery, self._last.correct)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a :meth:`state_dict`."""
        self._last = None if state["last"] is None else _Version(*state["last"])

    def _constraints(self, query: Tensor, last: _Version) -> dict[str, float | None] | None:
        if self.truncate:
            query, _ = truncate_to_common(query, last.query)
        if query.shape[1] != last.query.shape[1]:
            return None
        same_class, different_class = constraints_satisfied(
            query,
            last.query,
            last.gallery,
            self.query_labels[self._sample],
            self.gallery_labels,
            exclude_self=self._excluded,
        )
        return {"same_class": same_class, "different_class": different_class}

    def _reindex_recall(self, query: Tensor, gallery: Tensor, last: _Version) -> float:
        shorter, stored = query, last.gallery.to(query.device)
        if self.truncate:
            shorter, stored = truncate_to_common(query, stored)
        if shorter.shape[1] != stored.shape[1]:
            return 0.0
        found = nearest_others(shorter, stored, RECALL_AT, exclude_self=self._excluded)
        exact = nearest_others(query, gallery, RECALL_AT, exclude_self=self._excluded)
        return recall_of_exact(found, exact)
