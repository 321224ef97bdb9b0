"""Lists of each query under every arrangement, from few passes over the galleries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from clsim.auditing.fitting import Fitted, calibration
from clsim.auditing.material import Material
from clsim.auditing.search import Search, rows_at, search
from clsim.auditing.settings import AuditSettings
from clsim.metrics.functional.arrangements import popularity
from clsim.metrics.functional.neighbor_lists import (
    EMPTY,
    Neighbors,
    keep_items,
    merge_by_score,
    reciprocal_rank_fusion,
)
from clsim.models.bridges import Bridge, FastFill
from clsim.models.bridges.rows import as_rows

NEAREST_RESIDUALS = 8
"""Validation pairs whose residuals predict that of an item."""
MOST_RESIDUALS = 2000
"""Most validation pairs that predict residuals."""

Orders = Mapping[str, Tensor]
"""Orders of re-indexing by name, ``(N,)`` item positions each."""


@dataclass(frozen=True)
class Served:
    """Lists of an arrangement.

    Attributes:
        name: Name of the arrangement.
        bridge: Bridge in it.
        lists: Lists, ``(Q, K)``; of the first queries if there are fewer than in the part.

    """

    name: str
    bridge: Bridge | None
    lists: Neighbors


@dataclass(frozen=True)
class Searches:
    """Lists of both indexes, from which all other arrangements are made.

    Attributes:
        old: Old queries in the old gallery.
        new: New queries in the new gallery.
        bridged: Bridged queries in the old gallery, calibrated to the scores of the new one; None without a bridge.
        bridge: Bridge of these.
        single: Arrangements with one index that validation did not choose, and those without a bridge.

    """

    old: Neighbors
    new: Neighbors
    bridged: Neighbors | None
    bridge: Bridge | None
    single: tuple[Served, ...]


def search_all(
    material: Material,
    fitted: Fitted,
    settings: AuditSettings,
    say: Callable[[str], None] = print,
    engine: Search = search,
) -> Searches:
    """Search the galleries by every set of queries, each gallery in one pass.

    Bridges that validation did not choose, the naive swap and the mapped galleries are measured on a sample of the
    queries; in a large gallery, bridges that validation did not choose are left out.

    Args:
        material: Parts of the pairs.
        fitted: Fitted bridges.
        settings: Settings.
        say: Receives a line of progress.
        engine: Search in the galleries.

    """
    test = material.test
    k = min(max(settings.k, settings.candidates), len(test.old))
    sample = test.query_new[: settings.sample]
    best = fitted.best("query")
    queries = {"old": test.query_old, "naive": fitted.naive.transform(sample)}
    if best is not None:
        queries["best"] = best.transform(test.query_new)
    compared = len(test.old) <= settings.all_bridges
    others = fitted.others("query") if compared else []
    queries |= {f"other {place}": bridge.transform(sample) for place, bridge in enumerate(others)}
    say(f"searching the old gallery of {len(test.old):,} items")
    in_old = engine(queries, test.old, k)
    say("searching the new gallery")
    new = engine({"": test.query_new}, test.new, k)[""]
    single = [Served("naive_swap", None, in_old["naive"])]
    single += [Served("bridge_query", bridge, in_old[f"other {place}"]) for place, bridge in enumerate(others)]
    for candidate in fitted.candidates:
        chosen = candidate.bridge is fitted.best("gallery")
        if candidate.score.side == "gallery" and (compared or chosen):
            say(f"searching the gallery mapped by {candidate.bridge.name}")
            found = engine({"": sample}, test.old, k, candidate.bridge.transform)[""]
            single.append(Served("map_gallery", candidate.bridge, found))
    calibrated = None
    if best is not None:
        slope, intercept = calibration(best, material.validation)
        # A line that falls would turn the lists around; it says that the scores carry nothing.
        calibrated = Neighbors(in_old["best"].scores * max(slope, 0.0) + intercept, in_old["best"].items)
    return Searches(in_old["old"], new, calibrated, best, tuple(single))


def half_migrated(searches: Searches, material: Material, order: Tensor, settings: AuditSettings) -> list[Served]:
    """Return the lists of two indexes and of a mixed one while a part of the gallery is re-indexed.

    Args:
        searches: Lists of both indexes.
        material: Parts of the pairs.
        order: Order of re-indexing, ``(N,)``.
        settings: Settings.

    """
    fresh = is_fresh(order, settings.migrated)
    new, old = keep_items(searches.new, fresh), keep_items(searches.old, ~fresh)
    k = settings.k
    made = [Served("two_indexes_rank_merge", None, merge_by_score([old, new], k))]
    if searches.bridged is not None:
        mixed = [keep_items(searches.bridged, ~fresh), new]
        made.append(Served("mixed_index_calibrated", searches.bridge, merge_by_score(mixed, k)))
        made.append(Served("mixed_index_rrf", searches.bridge, reciprocal_rank_fusion(mixed, k)))
    return made


def is_fresh(order: Tensor, fraction: float) -> Tensor:
    """Return which items are re-indexed after a fraction of an order, ``(N,)`` bool.

    Example:
        >>> is_fresh(torch.tensor([2, 0, 1, 3]), 0.5)
        tensor([ True, False,  True, False])

    """
    fresh = torch.zeros(len(order), dtype=torch.bool)
    fresh[order[: int(fraction * len(order))]] = True
    return fresh


def orders_of(material: Material, searches: Searches, fitted: Fitted, settings: AuditSettings) -> Orders:
    """Return orders of re-indexing: random, most uncertain first, most popular first.

    The most uncertain items are those whose mapped vectors FastFill trusts least. Without FastFill, the mean residual
    of the nearest validation pairs predicts that of an item. Popular items are those that the old index returns to
    the validation's queries. Ties are in random order.

    Args:
        material: Parts of the pairs.
        searches: Lists of the measured queries; the orders do not use them.
        fitted: Fitted bridges.
        settings: Settings.

    """
    count = len(material.test.old)
    random = torch.randperm(count, generator=torch.Generator().manual_seed(settings.seed))
    orders = {"partial_reindex_random": random}
    if (uncertainty := _uncertainty(material, fitted)) is not None:
        orders["partial_reindex_uncertain_first"] = _descending(uncertainty, random)
    asked = search({"": material.validation.query_old}, material.test.old, min(settings.k, count))[""]
    orders["partial_reindex_popular_first"] = _descending(popularity(asked.items, count).double(), random)
    return orders


def _descending(values: Tensor, ties: Tensor) -> Tensor:
    return ties[values[ties].argsort(descending=True, stable=True)]


def _uncertainty(material: Material, fitted: Fitted) -> Tensor | None:
    bridge = next((each.bridge for each in fitted.candidates if isinstance(each.bridge, FastFill)), None)
    if bridge is not None:
        return bridge.uncertainty(material.test.old)
    mapped = fitted.best("gallery")
    if mapped is None:
        return None
    known, target = (rows_at(each)[:MOST_RESIDUALS] for each in (material.validation.old, material.validation.new))
    unit = torch.nn.functional.normalize
    residual = (unit(mapped.transform(known), dim=1) - unit(target, dim=1)).square().sum(dim=1)
    known, parts = unit(known, dim=1), []
    for _, rows in material.test.old.chunks():
        near = (unit(as_rows(rows).float(), dim=1) @ known.T).topk(min(NEAREST_RESIDUALS, len(known)), dim=1).indices
        parts.append(residual[near].mean(dim=1))
    return torch.cat(parts)


def cascaded(searches: Searches, material: Material, settings: AuditSettings, chunk: int = 128) -> Served:
    """Return the lists of a cascade: the old index proposes items, and the new model ranks them.

    Args:
        searches: Lists of both indexes.
        material: Parts of the pairs.
        settings: Settings.
        chunk: Queries per block.

    """
    test = material.test
    items = searches.old.items[:, : settings.candidates]
    query = torch.nn.functional.normalize(test.query_new, dim=1)
    scores = torch.empty(items.shape)
    for start in range(0, len(items), chunk):
        part = slice(start, start + chunk)
        unique, place = items[part].unique(return_inverse=True)
        rows = torch.nn.functional.normalize(rows_at(test.new, unique.numpy()), dim=1)
        # All products of the block are cheaper than a copy of each query's rows.
        scores[part] = (query[part] @ rows.T).gather(1, place)
    scores = scores.masked_fill(items == EMPTY, -float("inf"))
    return Served("cascade", None, merge_by_score([Neighbors(scores, items)], settings.k))
