"""Figures of arrangements with their intervals."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clsim.auditing.lists import Served
from clsim.auditing.material import Part
from clsim.auditing.record import Curve
from clsim.auditing.settings import AuditSettings
from clsim.auditing.truth import Figures, ListTruth, Truth, query_figures
from clsim.metrics.functional.backfill import BackfillCurve
from clsim.metrics.functional.bootstrap import Estimate, Resamples
from clsim.metrics.functional.neighbor_lists import Neighbors, keep_items, merge_by_score


class Measure:
    """Figures of lists, against the same right answers and with the same resamples of the queries.

    Args:
        part: Part that measures.
        fresh: Lists of the new model in the new gallery: full re-indexing.
        stored: Lists of the old model in the old gallery: doing nothing.
        settings: Settings.

    Attributes:
        primary: Name of the figure that decides, such as ``recall@10``.

    """

    def __init__(self, part: Part, fresh: Neighbors, stored: Neighbors, settings: AuditSettings) -> None:
        self.settings = settings
        self.primary = f"recall@{settings.k}"
        self._neighbors = ListTruth(fresh.items[:, : settings.k])
        self._truth: Truth = self._neighbors if part.truth is None else part.truth
        self._by_label = part.truth is not None
        self._clusters = part.clusters
        self._resamples: dict[int, Resamples] = {}
        self._fresh = self._primary(fresh.items)
        self._stored = self._primary(stored.items)

    def __call__(self, served: Served) -> tuple[dict[str, Estimate], Estimate, Estimate]:
        """Return an arrangement's figures, the kept fraction and the gain, each with its interval.

        Args:
            served: Lists of the arrangement, of the first ``n`` queries.

        """
        items = served.lists.items
        count, resamples = len(items), self._of(len(items))
        found = dict(self.of_queries(items))
        figures = {name: resamples.mean(values) for name, values in found.items()}
        own = found[self.primary]
        fresh, stored = self._fresh[:count], self._stored[:count]
        kept = resamples.ratio(own, fresh) if np.nansum(fresh) else Estimate(1.0, 1.0, 1.0)
        return figures, kept, resamples.mean(own - stored)

    def of_queries(self, items: Tensor) -> Figures:
        """Return the figures of each query; with labels or relevant items also the overlap with the new model's list.

        Args:
            items: Lists of the first ``n`` queries, ``(n, K)``.

        """
        rows, k = torch.arange(len(items)), self.settings.k
        figures = dict(query_figures(items, self._truth.of(rows), k, first=self._by_label))
        if self._by_label:
            overlap = query_figures(items, self._neighbors.of(rows), k, first=False)
            figures[f"overlap@{k}"] = overlap[f"recall@{k}"]
        return figures

    def curve(self, stored: Neighbors, fresh: Neighbors, order: Tensor) -> Curve:
        """Return the primary figure while the gallery is re-indexed in an order, of the first ``n`` queries.

        Args:
            stored: Lists in the stored gallery, with scores that compare with the fresh ones, ``(n, K)``.
            fresh: Lists in the fresh gallery, ``(n, K)``.
            order: Order of re-indexing, ``(N,)``.

        """
        count, steps = len(order), self.settings.steps
        cuts = sorted({step * count // steps for step in range(steps + 1)})
        is_fresh, values = torch.zeros(count, dtype=torch.bool), []
        for start, end in pairwise([0, *cuts]):
            is_fresh[order[start:end]] = True
            lists = [keep_items(stored, ~is_fresh), keep_items(fresh, is_fresh)]
            values.append(float(np.nanmean(self._primary(merge_by_score(lists, self.settings.k).items))))
        curve = BackfillCurve(tuple(cut / count for cut in cuts), tuple(values))
        return Curve(curve.fractions, curve.accuracy, curve.area)

    def _primary(self, items: Tensor) -> NDArray[np.float64]:
        found: Mapping[str, NDArray[np.float64]] = query_figures(
            items, self._truth.of(torch.arange(len(items))), self.settings.k, first=False
        )
        return found[self.primary]

    def _of(self, count: int) -> Resamples:
        if count not in self._resamples:
            self._resamples[count] = Resamples(
                self._clusters[:count],
                confidence=self.settings.confidence,
                resamples=self.settings.resamples,
                seed=self.settings.seed,
            )
        return self._resamples[count]
