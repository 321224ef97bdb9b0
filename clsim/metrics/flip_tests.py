"""A version beside the one before it: flips, update gain, and the inequalities of the definition of compatibility."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from clsim.metrics.functional.checks import Own
from clsim.metrics.functional.compatibility import constraints_satisfied, update_gain
from clsim.metrics.functional.criteria import truncated
from clsim.metrics.functional.flips import flip_rates
from clsim.metrics.functional.sampling import spread

FIGURES = ("negative_flip_rate", "positive_flip_rate", "update_gain", "constraints")


@dataclass(frozen=True)
class _Version:
    """What flips and constraints need of a version: some of its queries, its gallery, and who was right on it."""

    query: Tensor
    gallery: Tensor
    right: Tensor


class AgainstBefore:
    """Remembers the last version and compares the next with it.

    Args:
        query_labels: class ids ``(Q,)``.
        gallery_labels: class ids ``(N,)``.
        queries: at most so many, at even steps over the classes, are asked for the inequalities, which look at all
            pairs with the gallery.
        same_images: query ``i`` is gallery item ``i``.
        own: Gallery items that each query is, ``(Q, M)``, where the two are not the same images; negative for none.
        truncate: whether queries that are longer than the old ones are cut to their length.

    """

    def __init__(
        self,
        query_labels: Tensor,
        gallery_labels: Tensor,
        *,
        queries: int,
        same_images: bool,
        truncate: bool,
        own: Tensor | None = None,
    ) -> None:
        self.query_labels = query_labels
        self.gallery_labels = gallery_labels
        self.truncate = truncate
        self._asked = spread(query_labels, queries)
        self._own: Own = self._asked if same_images else False if own is None else own[self._asked]
        self._last: _Version | None = None

    def record(
        self, matrix: Sequence[Sequence[float]], query: Tensor, gallery: Tensor, right: Sequence[Tensor]
    ) -> dict[str, Any]:
        """The :data:`FIGURES` of the next version, ``None`` each for the first one; remembers it.

        Args:
            matrix: the cross-test matrix, its row the last.
            query: its features ``(Q, D)``.
            gallery: its features ``(N, D)``.
            right: which queries are right on the gallery before and on its own, ``(Q,)`` bool each.

        """
        last, self._last = self._last, _Version(query[self._asked.to(query.device)], gallery, right[-1])
        if last is None:
            return dict.fromkeys(FIGURES)
        negative, positive = flip_rates(last.right, right[0])
        gain = update_gain(matrix[-1][-2], matrix[-2][-1], matrix[-1][-1])
        return dict(zip(FIGURES, (negative, positive, gain, self._constraints(self._last.query, last)), strict=True))

    def state_dict(self) -> dict[str, Any]:
        """What is remembered of the last version."""
        return {"last": None if self._last is None else (self._last.query, self._last.gallery, self._last.right)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What :meth:`state_dict` gave."""
        self._last = None if state["last"] is None else _Version(*state["last"])

    def _constraints(self, query: Tensor, last: _Version) -> dict[str, float | None] | None:
        if self.truncate:
            query, _ = truncated(query, last.query)
        if query.shape[1] != last.query.shape[1]:
            return None
        same_class, different_class = constraints_satisfied(
            query,
            last.query,
            last.gallery,
            self.query_labels[self._asked],
            self.gallery_labels,
            exclude_self=self._own,
        )
        return {"same_class": same_class, "different_class": different_class}
