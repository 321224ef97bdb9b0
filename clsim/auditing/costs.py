"""Costs of arrangements: passes of a model, storage, and the time of a query."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from clsim.auditing.lists import Served
from clsim.auditing.material import Inputs, Material
from clsim.auditing.record import Cost
from clsim.auditing.search import rows_at
from clsim.auditing.settings import AuditSettings, Prices

SAMPLE = 1 << 14
"""Items of the gallery that time a query; an exact search takes time in proportion to the items."""
TIMED = 50
"""Queries that are timed, one at a time."""


@dataclass(frozen=True)
class Timed:
    """Milliseconds of one query.

    Attributes:
        p50: Median.
        p99: 99th percentile.

    """

    p50: float
    p99: float

    def __add__(self, other: Timed) -> Timed:
        """Return the time of one step after the other."""
        return Timed(self.p50 + other.p50, self.p99 + other.p99)

    def scaled(self, factor: float) -> Timed:
        """Return the time of as many times the work."""
        return Timed(self.p50 * factor, self.p99 * factor)


def timed(step: Callable[[int], object], count: int = TIMED) -> Timed:
    """Return the milliseconds of a step, without its first call.

    Example:
        >>> timed(lambda query: None).p50 < 1
        True

    """
    step(0)
    taken = []
    for query in range(count):
        start = perf_counter()
        step(query)
        taken.append((perf_counter() - start) * 1000)
    return Timed(*(float(each) for each in np.quantile(taken, [0.5, 0.99])))


class Costs:
    """Cost of each arrangement for the whole collection.

    Exact search is timed on a sample of the gallery and scaled to all items. The time of an approximate index does
    not follow from it, see :mod:`clsim.auditing.indexes`.

    Args:
        inputs: Vectors.
        material: Parts of the pairs.
        settings: Settings.
        prices: Prices of the operator.

    """

    def __init__(self, inputs: Inputs, material: Material, settings: AuditSettings, prices: Prices) -> None:
        self._settings, self._prices, self._material = settings, prices, material
        self._items = prices.items or len(inputs.old)
        self._bytes = [self._items * each.width * each.array.itemsize for each in (inputs.old, inputs.new)]
        part = material.test
        self._old, self._new = (rows_at(each, np.arange(min(SAMPLE, len(each)))) for each in (part.old, part.new))
        scale = self._items / len(self._old)
        k = min(settings.k, len(self._old))
        self._in_old = timed(_scan(part.query_old, self._old, k)).scaled(scale)
        self._in_new = timed(_scan(part.query_new, self._new, k)).scaled(scale)

    def __call__(self, served: Served) -> Cost:
        """Return the cost of an arrangement."""
        name, settings, prices = served.name, self._settings, self._prices
        share = 0.0
        if name == "full_reindex":
            share = 1.0
        elif name.startswith(("partial_", "mixed_", "two_indexes")):
            share = settings.migrated
        embedded = round(share * self._items)
        old_bytes, new_bytes = self._bytes
        stored = old_bytes + (new_bytes - old_bytes) * share
        if name == "map_gallery":
            stored = self._items * self._new.shape[1] * 4
        query = self._query_time(served, share)
        return Cost(
            embedded_items=embedded,
            embed_seconds=None if prices.new_seconds is None else embedded / 1000 * prices.new_seconds,
            embed_money=None if prices.new_money is None else embedded / 1000 * prices.new_money,
            embeddings_per_query=self._passes(served),
            stored_bytes=round(stored),
            build_seconds=self._mapping_seconds(served) if name == "map_gallery" else None,
            query_ms_p50=query.p50,
            query_ms_p99=query.p99,
        )

    def _passes(self, served: Served) -> int:
        if served.name == "cascade":
            return 2 + self._settings.candidates
        both = served.name == "two_indexes_rank_merge" or (served.name.startswith("partial_") and served.bridge is None)
        return 2 if both else 1

    def _query_time(self, served: Served, share: float) -> Timed:
        name = served.name
        time = self._in_old.scaled(1 - share) + self._in_new.scaled(share)
        if name == "map_gallery":
            return self._in_new
        if name == "cascade":
            rows = self._new[: self._settings.candidates]
            return self._in_old + timed(_scan(self._material.test.query_new, rows, min(self._settings.k, len(rows))))
        if served.bridge is not None and served.bridge.side == "query":
            bridge, query = served.bridge, self._material.test.query_new
            return time + timed(lambda place: bridge.transform(query[place % len(query)][None]))
        return time

    def _mapping_seconds(self, served: Served) -> float | None:
        if served.bridge is None:
            return None
        start = perf_counter()
        served.bridge.transform(self._old)
        return (perf_counter() - start) * self._items / len(self._old)


def _scan(query: Tensor, gallery: Tensor, k: int) -> Callable[[int], object]:
    unit = torch.nn.functional.normalize(gallery, dim=1)
    return lambda place: (unit @ query[place % len(query)]).topk(k)
