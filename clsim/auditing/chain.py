"""Audit of a chain of upgrades: every pair of versions, and bridges composed link by link against direct ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from clsim.auditing.audit import audit_vectors
from clsim.auditing.chain_record import Cell, ChainAudit, Score, Step
from clsim.auditing.fitting import fit_candidates
from clsim.auditing.material import Inputs, Material, split_inputs
from clsim.auditing.search import search
from clsim.auditing.settings import AuditSettings, Prices
from clsim.auditing.truth import ListTruth, Truth, query_figures
from clsim.data.vectors import Relevant, VectorSet
from clsim.metrics.functional.bootstrap import Resamples
from clsim.models.bridges import BRIDGES, Bridge, FitsMoments, make_bridge, mean_cosine, mean_drift, procrustes_bound
from clsim.models.bridges.rows import as_rows
from clsim.utils.errors import UserError


@dataclass(frozen=True)
class Link:
    """Bridges of two versions, fitted to each other.

    Attributes:
        material: Parts of the pairs, with the same items for every two versions.
        query: Bridge that maps queries of the newer version to the older one's space.
        gallery: Bridge that maps the older version's gallery to the newer one's space.

    """

    material: Material
    query: Bridge
    gallery: Bridge


def audit_chain(
    versions: Sequence[VectorSet],
    *,
    labels: NDArray[Any] | None = None,
    relevant: Relevant | None = None,
    queries: Sequence[VectorSet] | None = None,
    query_labels: NDArray[Any] | None = None,
    settings: AuditSettings | None = None,
    prices: Prices | None = None,
    notes: tuple[str, ...] = (),
    say: Callable[[str], None] = lambda line: None,
) -> ChainAudit:
    """Audit a chain of three or more versions on vectors of the same items.

    Every version's queries are searched in every older gallery: without a bridge, with one that was fitted to the two
    versions, and with the bridges of all links between them, one after the other. Without labels and relevant items,
    the neighbors by the last version are right. Bridges in closed form take part.

    Args:
        versions: Items by each version, oldest first, ``(N, d_v)``.
        labels: Class of each item, ``(N,)``.
        relevant: Relevant items of each query.
        queries: Queries by each version; None: some of the items are queries.
        query_labels: Class of each query.
        settings: Settings; None: the defaults.
        prices: Prices of the operator.
        notes: Notes for the record.
        say: Receives a line of progress.

    Raises:
        UserError: There are fewer than two versions, numbers of items differ, or there are too few of them.

    Example:
        >>> items = np.random.default_rng(0).normal(size=(400, 8)).astype(np.float32)
        >>> versions = [VectorSet(np.roll(items, shift, axis=1)) for shift in range(3)]
        >>> found = audit_chain(versions, settings=AuditSettings(bridges=("procrustes",), index_items=0))
        >>> found.average_accuracy["direct"], found.average_accuracy["composed"]
        (1.0, 1.0)

    """
    settings = settings or AuditSettings()
    _check(versions, queries)
    chain = _Chain(versions, queries, labels, query_labels, relevant, _closed_forms(settings), say)
    cells = tuple(chain.cells())
    steps = tuple(chain.step(old) for old in range(len(versions) - 1))
    say("auditing the last upgrade")
    last = audit_vectors(chain.inputs(len(versions) - 2, len(versions) - 1), settings, prices, say=say)
    return ChainAudit(
        versions=tuple(each.name for each in versions),
        primary=f"recall@{settings.k}",
        cells=cells,
        steps=steps,
        last=last,
        inputs={"items": len(versions[0]), "widths": [each.width for each in versions], "right": chain.right},
        notes=notes,
        seed=settings.seed,
    )


def _check(versions: Sequence[VectorSet], queries: Sequence[VectorSet] | None) -> None:
    if len(versions) < 2:
        raise UserError(f"a chain needs at least two versions, got {len(versions)}")
    for each in versions:
        if len(each) != len(versions[0]):
            raise UserError(f"expected {len(versions[0]):,} vectors as in {versions[0].name}", where=each.name)
    if queries is not None and len(queries) != len(versions):
        raise UserError(f"expected queries by each of {len(versions)} versions, got {len(queries)}")


def _closed_forms(settings: AuditSettings) -> AuditSettings:
    names = [name for name in settings.bridges if name in BRIDGES and isinstance(make_bridge(name), FitsMoments)]
    kept = [name for name in names if name != "identity"] or ["procrustes"]
    return replace(settings, bridges=kept)


class _Chain:
    """Versions with their links, fitted when they are first needed."""

    def __init__(
        self,
        versions: Sequence[VectorSet],
        queries: Sequence[VectorSet] | None,
        labels: NDArray[Any] | None,
        query_labels: NDArray[Any] | None,
        relevant: Relevant | None,
        settings: AuditSettings,
        say: Callable[[str], None],
    ) -> None:
        self._versions, self._queries, self._settings, self._say = versions, queries, settings, say
        self._known = labels, query_labels, relevant
        self._links: dict[tuple[int, int], Link] = {}
        self._self_lists: dict[int, Tensor] = {}
        test = self.link(len(versions) - 2, len(versions) - 1).material.test
        self._truth: Truth = test.truth or ListTruth(self._lists_of(len(versions) - 1))
        self._resamples = Resamples(
            test.clusters, confidence=settings.confidence, resamples=settings.resamples, seed=settings.seed
        )

    @property
    def right(self) -> str:
        """What counts as right."""
        right = self.inputs(0, 1).right
        return "neighbors by the last version" if right.startswith("neighbors") else right

    def inputs(self, old: int, new: int) -> Inputs:
        """Return two versions as an upgrade."""
        labels, query_labels, relevant = self._known
        asked_old, asked_new = (None, None) if self._queries is None else (self._queries[old], self._queries[new])
        pair = self._versions[old], self._versions[new]
        return Inputs(*pair, asked_old, asked_new, labels, query_labels, relevant)

    def link(self, old: int, new: int) -> Link:
        """Return the bridges of two versions that validation chooses."""
        if (old, new) not in self._links:
            self._say(f"fitting bridges between versions {old + 1} and {new + 1}")
            material = split_inputs(self.inputs(old, new), self._settings)
            fitted = fit_candidates(material, self._settings, lambda line: None)
            query, gallery = fitted.best("query"), fitted.best("gallery")
            assert query is not None and gallery is not None
            self._links[old, new] = Link(material, query, gallery)
        return self._links[old, new]

    def cells(self) -> Iterator[Cell]:
        """Yield every pair of versions, with the older one's gallery."""
        for new in range(len(self._versions)):
            for old in range(new):
                yield self._cell(old, new)
            values = self._values(self._lists_of(new))
            score = Score("self", None, self._resamples.mean(values))
            yield Cell(new + 1, new + 1, (score,), {})

    def _cell(self, old: int, new: int) -> Cell:
        self._say(f"searching the gallery of version {old + 1} with queries of version {new + 1}")
        link, links = self.link(old, new), [self.link(at, at + 1) for at in range(old, new)]
        test = link.material.test
        naive = make_bridge("identity").fit(*link.material.fit)
        composed = test.query_new
        for each in reversed(links):
            composed = each.query.transform(composed)
        queries = {"plain": naive.transform(test.query_new), "direct": link.query.transform(test.query_new)}
        k = min(self._settings.k, len(test.old))
        found = {name: each.items for name, each in search({**queries, "composed": composed}, test.old, k).items()}
        asked = {"": test.query_new}
        found["direct_gallery"] = search(asked, test.old, k, link.gallery.transform)[""].items
        found["composed_gallery"] = search(asked, test.old, k, lambda rows: _mapped(rows, links))[""].items
        values = {name: self._values(items) for name, items in found.items()}
        bridges = {
            "direct": link.query.name,
            "composed": " > ".join(each.query.name for each in reversed(links)),
            "direct_gallery": link.gallery.name,
            "composed_gallery": " > ".join(each.gallery.name for each in links),
        }
        scores = tuple(Score(name, bridges.get(name), self._resamples.mean(each)) for name, each in values.items())
        differences = {
            "query": self._resamples.mean(values["direct"] - values["composed"]),
            "gallery": self._resamples.mean(values["direct_gallery"] - values["composed_gallery"]),
        }
        return Cell(new + 1, old + 1, scores, differences if len(links) > 1 else {})

    def step(self, old: int) -> Step:
        """Return how far a version is from the one before it."""
        link = self.link(old, old + 1)
        start = perf_counter()
        first, second = link.material.fit
        aligned = make_bridge("procrustes").fit(first, second)
        validation = link.material.validation
        drift: float | None = None
        if first.width == second.width:
            rows = [as_rows(each[: len(each)]).float() for each in (first, second)]
            drift = float(mean_drift(*rows).norm() / rows[0].norm(dim=1).mean())
        stay = ListTruth(self._lists_of(old))
        k = min(self._settings.k, len(link.material.test.old))
        kept = query_figures(self._lists_of(old + 1), stay, k, first=False)[f"recall@{k}"]
        return Step(
            old=old + 1,
            new=old + 2,
            mean_drift=drift,
            rotation_error=1 - mean_cosine(aligned, validation.old, validation.new),
            delta=procrustes_bound(first, second).delta,
            neighbors_kept=self._resamples.mean(kept),
            seconds=round(perf_counter() - start, 3),
        )

    def _lists_of(self, version: int) -> Tensor:
        """Return the lists of a version's queries in its own gallery."""
        if version not in self._self_lists:
            test = self.link(max(0, version - 1), max(1, version)).material.test
            query, gallery = (test.query_new, test.new) if version else (test.query_old, test.old)
            k = min(self._settings.k, len(gallery))
            self._self_lists[version] = search({"": query}, gallery, k)[""].items
        return self._self_lists[version]

    def _values(self, items: Tensor) -> NDArray[np.float64]:
        k = self._settings.k
        found: NDArray[np.float64] = query_figures(items, self._truth, k, first=False)[f"recall@{k}"]
        return found


def _mapped(rows: Tensor, links: Sequence[Link]) -> Tensor:
    for each in links:
        rows = each.gallery.transform(rows)
    return rows
