"""Comparison of each version with the previous one: flips, update gain, compatibility constraints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from clsim.metrics.functional.checks import SelfItems
from clsim.metrics.functional.compatibility import constraints_satisfied, update_gain
from clsim.metrics.functional.criteria import truncate_to_common
from clsim.metrics.functional.flips import flip_rates
from clsim.metrics.functional.sampling import sample_evenly

FIGURES = ("negative_flip_rate", "positive_flip_rate", "update_gain", "constraints")


def flip_record(
    matrix: Sequence[Sequence[float]],
    rates: Sequence[tuple[float, float]],
    constraints: dict[str, float | None] | None = None,
) -> dict[str, Any]:
    """Return the :data:`FIGURES` of the last version.

    Args:
        matrix: Cross-test matrix of at least two versions.
        rates: Negative and positive flip rate of each search direction, which are averaged.
        constraints: Fractions of pairs that satisfy the constraints of compatibility.

    Example:
        >>> flip_record([[0.5], [0.625, 0.75]], [(0.25, 0.5)])["update_gain"]
        0.5

    """
    negative, positive = (sum(directions) / len(rates) for directions in zip(*rates, strict=True))
    gain = update_gain(matrix[-1][-2], matrix[-2][-1], matrix[-1][-1])
    return dict(zip(FIGURES, (negative, positive, gain, constraints), strict=True))


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
        queries: Maximal number of queries for the constraints, which involve all pairs with the gallery. They are
            sampled evenly over the classes.
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
        """Return the :data:`FIGURES` of the next version, ``None`` each for the first, and store the version.

        Args:
            matrix: Cross-test matrix up to this version.
            query: Query features, ``(Q, D)``.
            gallery: Gallery features, ``(N, D)``.
            correct: Correctness of the queries in the previous gallery and in this version's own, ``(Q,)`` bool each.

        """
        last, self._last = self._last, _Version(query[self._sample.to(query.device)], gallery, correct[-1])
        if last is None:
            return dict.fromkeys(FIGURES)
        return flip_record(matrix, [flip_rates(last.correct, correct[0])], self._constraints(self._last.query, last))

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
