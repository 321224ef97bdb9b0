"""What approximate indexes and shortened vectors do to an upgrade.

Each row of the record is flat:

=====================  =================================================================================================
``index``              ``flat`` (exact), ``hnsw``, ``ivf``, ``pq``, ``int8``, ``binary``, ``binary_rescored``: FAISS;
                       ``hnsw_usearch``: usearch; ``compact``: shortened vectors with exact search.
``vectors``            ``old``, ``mapped by`` a bridge, or ``new``; queries are by the old model with ``old``, else new.
``state``              ``before``: built on the old vectors. ``rewritten in place``: other vectors replace them, and
                       what the index learned stays (links of HNSW, centroids of IVF, codebooks of PQ, ranges of int8).
                       ``deleted and added``: HNSW inserts other vectors; FAISS keeps the deleted ones as passages,
                       usearch reuses their nodes. ``rebuilt``: built on the other vectors. Of ``compact`` rows, the
                       form of the vectors, such as ``first 256 dimensions``.
``recall@k``           Fraction of the exact ``k`` nearest items in the same vectors that the index finds, an interval.
``ms_p50, ms_p99``     Milliseconds of one query in one thread; None in ``compact`` rows, which are not timed.
``bytes_per_vector``   Bytes of a stored vector and its links, without codebooks and centroids.
``build_seconds``      Seconds to build the index or to rewrite it, in one thread; None in ``compact`` rows.
``queries, items``     Size of the sample.
=====================  =================================================================================================

An index of another width cannot take the new vectors, so then there are only ``before`` and ``rebuilt``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clsim.auditing.ann import Index
from clsim.auditing.builders import FAISS_INDEXES, build_usearch, one_faiss_thread
from clsim.auditing.compact import EMPTY, Floats, Items, compact_lists, nearest, scores_of, unit
from clsim.auditing.costs import timed
from clsim.auditing.fitting import Fitted
from clsim.auditing.material import Part
from clsim.auditing.search import rows_at
from clsim.auditing.settings import AuditSettings
from clsim.metrics.functional.bootstrap import Resamples

QUERIES = 1000
"""Most queries."""
LEAST_ITEMS = 256
"""Fewest items of an approximate index: a product quantizer has 256 centroids."""
ROUNDING = 1e-6
"""Difference of cosines below which two items are equally near."""

Row = Mapping[str, Any]


class Measured(NamedTuple):
    """Rows of the record, and sentences on what is missing."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Space:
    """Sampled items and queries in one model's space.

    Attributes:
        name: Name of the vectors.
        rows: Items, unit rows ``(N, D)``.
        query: Queries, unit rows ``(Q, D)``.
        k: Length of the lists.
        least: Cosine of the exact ``k``-th item of each query, ``(Q, 1)``.

    """

    name: str
    rows: Floats
    query: Floats
    k: int
    least: Floats

    @classmethod
    def of(cls, name: str, rows: NDArray[Any], query: NDArray[Any], k: int) -> Space:
        """Return the space of some vectors, after an exact search."""
        rows, query = unit(rows), unit(query)
        exact = scores_of(query, rows, nearest(query, rows, k))
        return cls(name, rows, query, k, exact[:, -1:])

    def recall(self, items: Items) -> NDArray[np.float64]:
        r"""Return the fraction of the exact nearest items in each query's list, ``(Q,)``.

        An item counts if its cosine is at least that of the exact :math:`k`-th item, so that ties do not matter.

        Args:
            items: Positions of different items, ``(Q, k)``; -1 at empty places.

        Source: recall of ANN-Benchmarks (Aumüller, Bernhardsson and Faithfull 2020), with a smaller tolerance.

        Example:
            >>> eye = np.eye(3, dtype=np.float32)
            >>> Space.of("old", eye, eye[:1] + 0.1 * eye[1:2], k=2).recall(np.array([[0, 2]]))
            array([0.5])

        """
        right = (scores_of(self.query, self.rows, items) >= self.least - ROUNDING) & (items != EMPTY)
        found: NDArray[np.float64] = right.mean(axis=1, dtype=np.float64)
        return found


def index_rows(
    part: Part, fitted: Fitted, settings: AuditSettings, say: Callable[[str], None] = lambda line: None
) -> Measured:
    """Return what approximate indexes and shortened vectors do, on a sample of the measured gallery.

    Args:
        part: Part that measures.
        fitted: Bridges; the gallery is mapped by the best of its side.
        settings: Settings; nothing is measured with ``index_items=0``.
        say: Receives a line of progress.

    """
    if not settings.index_items:
        return Measured((), ())
    random = np.random.default_rng(settings.seed)
    chosen, asked = _sample(random, len(part.old), settings.index_items), _sample(random, len(part.query_old), QUERIES)
    resamples = Resamples(
        part.clusters[asked], confidence=settings.confidence, resamples=settings.resamples, seed=settings.seed
    )
    spaces = _spaces(part, fitted, chosen, asked, min(settings.k, len(chosen)))
    kinds, notes = _kinds(len(chosen))
    if kinds and spaces[0].rows.shape[1] != spaces[-1].rows.shape[1]:
        widths = " and ".join(str(each.rows.shape[1]) for each in (spaces[0], spaces[-1]))
        notes = (*notes, f"The models have widths {widths}: no index can be rewritten in place, only rebuilt.")
    table = _Table(spaces, resamples, settings)
    rows: list[Row] = []
    if kinds:
        with one_faiss_thread():
            for name, build in kinds.items():
                say(f"building {name} indexes of {len(chosen):,} items")
                rows += table.of_index(name, build)
    return Measured((*rows, *table.of_compact()), notes)


class _Table:
    """Rows of one sample."""

    def __init__(self, spaces: list[Space], resamples: Resamples, settings: AuditSettings) -> None:
        self._old, self._targets = spaces[0], spaces[1:]
        self._resamples, self._settings = resamples, settings

    def of_index(self, name: str, build: Callable[[Floats, int], Index]) -> Iterator[Row]:
        """Yield the rows of one kind of index."""
        first, seconds = _timed(build, self._old.rows, self._settings.seed)
        yield self._indexed(name, "before", first, self._old, seconds)
        for target in self._targets:
            if target.rows.shape == self._old.rows.shape:
                for state, rewrite in first.rewrites().items():
                    index, seconds = _timed(rewrite, target.rows)
                    yield self._indexed(name, state, index, target, seconds)
            index, seconds = _timed(build, target.rows, self._settings.seed)
            yield self._indexed(name, "rebuilt", index, target, seconds)

    def of_compact(self) -> Iterator[Row]:
        """Yield the rows of the new model's shortened vectors."""
        new = self._targets[-1]
        for each in compact_lists(new.query, new.rows, new.k):
            yield self._row("compact", new, each.name, each.items, each.bytes_per_vector)

    def _indexed(self, name: str, state: str, index: Index, space: Space, seconds: float) -> Row:
        row = self._row(name, space, state, index.search(space.query, space.k), index.bytes_per_vector)
        time = timed(lambda place: index.search(space.query[place % len(space.query)][None], space.k))
        return {**row, "ms_p50": time.p50, "ms_p99": time.p99, "build_seconds": seconds}

    def _row(self, index: str, space: Space, state: str, items: Items, size: float) -> dict[str, Any]:
        return {
            "index": index,
            "vectors": space.name,
            "state": state,
            f"recall@{self._settings.k}": self._resamples.mean(space.recall(items))._asdict(),
            "ms_p50": None,
            "ms_p99": None,
            "bytes_per_vector": round(size, 1),
            "build_seconds": None,
            "queries": len(space.query),
            "items": len(space.rows),
        }


def _spaces(part: Part, fitted: Fitted, chosen: Items, asked: Items, k: int) -> list[Space]:
    """Return the spaces of the old, the mapped and the new vectors."""
    old, new = rows_at(part.old, chosen), rows_at(part.new, chosen)
    query_old, query_new = part.query_old[asked].numpy(), part.query_new[asked].numpy()
    spaces = [Space.of("old", old.numpy(), query_old, k)]
    if (bridge := fitted.best("gallery")) is not None:
        spaces.append(Space.of(f"mapped by {bridge.name}", bridge.transform(old).numpy(), query_new, k))
    return [*spaces, Space.of("new", new.numpy(), query_new, k)]


def _kinds(items: int) -> tuple[Mapping[str, Callable[[Floats, int], Index]], tuple[str, ...]]:
    """Return the indexes that can be built, and notes on the others."""
    if find_spec("faiss") is None:
        return {}, ("Approximate indexes were not measured: pip install 'clsim[retrieval]' brings FAISS.",)
    if items < LEAST_ITEMS:
        return {}, (f"Approximate indexes were not measured: they need {LEAST_ITEMS} items, and there are {items}.",)
    return {**FAISS_INDEXES, **({"hnsw_usearch": build_usearch} if find_spec("usearch") else {})}, ()


def _sample(random: np.random.Generator, count: int, most: int) -> Items:
    return np.sort(random.permutation(count)[:most])


def _timed(build: Callable[..., Index], *arguments: Any) -> tuple[Index, float]:
    start = perf_counter()
    index = build(*arguments)
    return index, perf_counter() - start
