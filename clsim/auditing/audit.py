"""Audit of two sets of vectors: fit, search, measure and decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any

from clsim.auditing.costs import Costs
from clsim.auditing.fitting import Fitted, fit_candidates
from clsim.auditing.indexes import index_rows
from clsim.auditing.lists import Searches, Served, cascaded, half_migrated, is_fresh, orders_of, search_all
from clsim.auditing.material import Inputs, Material, split_inputs
from clsim.auditing.measure import Measure
from clsim.auditing.record import Arrangement, Audit, Curve
from clsim.auditing.search import Search, search
from clsim.auditing.settings import AuditSettings, Prices
from clsim.auditing.verdict import decide
from clsim.metrics.functional.neighbor_lists import Neighbors, keep_items, merge_by_score
from clsim.models.bridges import procrustes_bound

ORDER = (
    "do_nothing",
    "naive_swap",
    "bridge_query",
    "map_gallery",
    "cascade",
    "two_indexes_rank_merge",
    "mixed_index_calibrated",
    "mixed_index_rrf",
    "partial_reindex_random",
    "partial_reindex_uncertain_first",
    "partial_reindex_popular_first",
    "full_reindex",
)
"""Arrangements in the order of the record."""


def audit_vectors(
    inputs: Inputs,
    settings: AuditSettings | None = None,
    prices: Prices | None = None,
    *,
    notes: tuple[str, ...] = (),
    say: Callable[[str], None] = lambda line: None,
    engine: Search = search,
) -> Audit:
    """Audit an upgrade on checked vectors of the same items by both models.

    Bridges are fitted to one part of the items, chosen on a second and measured on a third, see
    :func:`~clsim.auditing.material.split_inputs`. Every figure has a bootstrap interval over the queries.

    Args:
        inputs: Vectors, and what is known of them.
        settings: Settings; None: the defaults.
        prices: Prices of the operator; None: not known.
        notes: Notes for the record, on what was handled before.
        say: Receives a line of progress.
        engine: Search in the galleries: in this process, or a :class:`~clsim.auditing.ray_search.RaySearch`.

    Raises:
        UserError: There are too few items or queries, or no query has a right answer.

    Example:
        >>> import numpy as np
        >>> from clsim.data.vectors import as_vectors
        >>> items = np.random.default_rng(0).normal(size=(400, 8)).astype(np.float32)
        >>> old, new = as_vectors(items), as_vectors(items[:, ::-1].copy())
        >>> audit_vectors(Inputs(old, new)).verdict.choice
        'do_nothing'

    """
    settings, prices = settings or AuditSettings(), prices or Prices()
    clock = _Clock()
    with clock("split"):
        material = split_inputs(inputs, settings)
    with clock("fit"):
        bound = procrustes_bound(*material.fit)
        say(_bound_line(bound.cosine, informative=bound.informative))
        fitted = fit_candidates(material, settings, say)
    with clock("search"):
        searches = search_all(material, fitted, settings, say, engine)
    with clock("measure"):
        say("measuring the arrangements")
        arrangements = _measured(material, fitted, searches, settings, Costs(inputs, material, settings, prices))
    with clock("indexes"):
        indexed = index_rows(material.test, fitted, settings, say)
    return Audit(
        verdict=decide(arrangements, settings),
        primary=f"recall@{settings.k}",
        arrangements=tuple(arrangements),
        bridges=tuple(each.score for each in fitted.candidates),
        bound={**asdict(bound), "informative": bound.informative},
        indexes=indexed.rows,
        inputs=_facts(inputs, material),
        settings={**asdict(settings), "prices": asdict(prices)},
        notes=(*notes, *indexed.notes),
        seconds=clock.seconds,
        seed=settings.seed,
    )


def _measured(
    material: Material, fitted: Fitted, searches: Searches, settings: AuditSettings, costs: Costs
) -> list[Arrangement]:
    measure = Measure(material.test, searches.new, searches.old, settings)
    served = [Served("do_nothing", None, searches.old), Served("full_reindex", None, searches.new)]
    served += [*searches.single, cascaded(searches, material, settings)]
    if searches.bridged is not None:
        served.append(Served("bridge_query", searches.bridge, searches.bridged))
    orders = orders_of(material, searches, fitted, settings)
    served += half_migrated(searches, material, orders["partial_reindex_random"], settings)
    found = [_arrangement(each, measure, costs) for each in served]
    # Without a bridge, old queries search the old half: the two indexes of a rank merge.
    stored = searches.old if searches.bridged is None else searches.bridged
    for name, order in orders.items():
        fresh = is_fresh(order, settings.migrated)
        lists = merge_by_score([keep_items(stored, ~fresh), keep_items(searches.new, fresh)], settings.k)
        curve = measure.curve(_first(stored, settings.sample), _first(searches.new, settings.sample), order)
        found.append(_arrangement(Served(name, searches.bridge, lists), measure, costs, curve))
    # Of several bridges, the one that validation chose comes first.
    best = {"bridge_query": searches.bridge, "map_gallery": fitted.best("gallery")}
    chosen = {(name, None if bridge is None else bridge.name) for name, bridge in best.items()}
    return sorted(found, key=lambda each: (ORDER.index(each.name), (each.name, each.bridge) not in chosen))


def _first(lists: Neighbors, queries: int) -> Neighbors:
    return Neighbors(lists.scores[:queries], lists.items[:queries])


def _arrangement(served: Served, measure: Measure, costs: Costs, curve: Curve | None = None) -> Arrangement:
    figures, kept, gain = measure(served)
    bridge = None if served.bridge is None else served.bridge.name
    return Arrangement(served.name, bridge, figures, len(served.lists.items), kept, gain, costs(served), curve)


def _facts(inputs: Inputs, material: Material) -> dict[str, Any]:
    return {
        "old": {"name": inputs.old.name, "width": inputs.old.width, "dtype": inputs.old.dtype},
        "new": {"name": inputs.new.name, "width": inputs.new.width, "dtype": inputs.new.dtype},
        "items": len(inputs.old),
        "right": inputs.right,
        "fit_pairs": len(material.fit[0]),
        "validation_items": len(material.validation.old),
        "validation_queries": len(material.validation.query_new),
        "gallery": len(material.test.old),
        "queries": len(material.test.query_new),
    }


def _bound_line(cosine: float, *, informative: bool) -> str:
    if informative:
        return f"any items: the best rotation has a mean cosine of at least {cosine:.3f} (Procrustes bound)"
    return "the Procrustes bound excludes nothing: rotations may fail"


@dataclass
class _Clock:
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = perf_counter()
        yield
        self.seconds[stage] = round(perf_counter() - start, 3)
