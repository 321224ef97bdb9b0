"""Indexes that an audit tries, and what a rewrite of the stored vectors leaves of them.

Rows and queries are unit vectors in float32, and indexes rank by inner products. FAISS and usearch are optional.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from clsim.auditing.compact import EMPTY, OVERSAMPLING, Floats, Items, rescore

SEARCH_EFFORT = 40
"""HNSW: candidates while searching (efSearch), the default of pgvector."""
BATCH = 1024
"""Items that usearch removes and adds at a time."""

IN_PLACE = "rewritten in place"
ADDED = "deleted and added"


def faiss_module() -> Any:
    """Return the module of FAISS, whose types cover a part of it."""
    return import_module("faiss")


class Index(Protocol):
    """Built index."""

    @property
    def bytes_per_vector(self) -> float:
        """Bytes of a stored vector and its links, without codebooks and centroids."""

    def search(self, query: Floats, k: int) -> Items:
        """Return the positions of the found items, best first, ``(Q, k)``; -1 where there are fewer."""

    def rewrites(self) -> Mapping[str, Callable[[Floats], Index]]:
        """Return the ways to put other vectors into a copy of the index, by name."""


@dataclass(frozen=True)
class FaissIndex:
    """Index of FAISS in which other vectors replace the stored ones, and what it learned stays.

    The items are removed and added: lists of IVF, codebooks of PQ and ranges of int8 remain those of the old vectors,
    as in FAISS's ``remove_ids`` and ``add``, or an update of IVFFlat in pgvector without ``REINDEX``.

    Attributes:
        index: Index of FAISS.
        bytes_per_vector: Bytes of a stored vector.
        prepared: Function from rows to what the index stores.

    """

    index: Any
    bytes_per_vector: float
    prepared: Callable[[Floats], NDArray[Any]] = np.asarray

    def search(self, query: Floats, k: int) -> Items:
        """Return the positions of the found items, ``(Q, k)``."""
        found: Items = self.index.search(self.prepared(query), k)[1].astype(np.int64)
        return found

    def rewrites(self) -> Mapping[str, Callable[[Floats], Index]]:
        """Return the rewrite in place."""
        return {IN_PLACE: self.rewritten}

    def rewritten(self, rows: Floats) -> FaissIndex:
        """Return a copy that holds other vectors."""
        faiss = faiss_module()
        binary = isinstance(self.index, faiss.IndexBinary)
        index = faiss.clone_binary_index(self.index) if binary else faiss.clone_index(self.index)
        index.reset()
        index.add(self.prepared(rows))
        return replace(self, index=index)


@dataclass(frozen=True)
class FaissGraph:
    """HNSW graph of FAISS.

    Attributes:
        index: Index of FAISS.
        deleted: Number of items in front that a search passes through and does not return.

    """

    index: Any
    deleted: int = 0

    @property
    def bytes_per_vector(self) -> float:
        """Bytes of a vector and its links, for each item that is not deleted."""
        links = 4 * self.index.hnsw.neighbors.size()
        return float((links + self.index.ntotal * self.index.d * 4) / (self.index.ntotal - self.deleted))

    def search(self, query: Floats, k: int) -> Items:
        """Return the positions of the found items, ``(Q, k)``."""
        faiss = faiss_module()
        effort = max(SEARCH_EFFORT, k)
        kept = faiss.IDSelectorRange(self.deleted, self.index.ntotal)
        chosen = faiss.SearchParametersHNSW(sel=kept if self.deleted else None, efSearch=effort)
        found: Items = self.index.search(query, k, params=chosen)[1].astype(np.int64)
        return np.where(found == EMPTY, EMPTY, found - self.deleted)

    def rewrites(self) -> Mapping[str, Callable[[Floats], Index]]:
        """Return the rewrite under the links, and the insertion beside deleted items."""
        return {IN_PLACE: self.overwritten, ADDED: self.added}

    def overwritten(self, rows: Floats) -> FaissGraph:
        """Return a copy with other vectors under the links of the old ones."""
        faiss = faiss_module()
        index = faiss.clone_index(self.index)
        index.storage.reset()
        index.storage.add(rows)
        return FaissGraph(index)

    def added(self, rows: Floats) -> FaissGraph:
        """Return a copy in which the stored items are marked as deleted, and other vectors are inserted.

        This is ``mark_deleted`` and ``add_items`` of hnswlib, or an update in PostgreSQL before a vacuum.
        """
        faiss = faiss_module()
        index = faiss.clone_index(self.index)
        index.add(rows)
        return FaissGraph(index, len(rows))


@dataclass(frozen=True)
class Rescored:
    """Coarse index whose candidates exact vectors rank again.

    Attributes:
        coarse: Coarse index.
        rows: Exact vectors, ``(N, D)``.

    """

    coarse: FaissIndex
    rows: Floats

    @property
    def bytes_per_vector(self) -> float:
        """Bytes of the coarse and the exact vector."""
        return self.coarse.bytes_per_vector + 4.0 * int(self.rows.shape[1])

    def search(self, query: Floats, k: int) -> Items:
        """Return the positions of the found items, ``(Q, k)``."""
        candidates = self.coarse.search(query, min(OVERSAMPLING * k, len(self.rows)))
        return rescore(query, self.rows, candidates, k)

    def rewrites(self) -> Mapping[str, Callable[[Floats], Index]]:
        """Return the rewrite in place of both."""
        return {IN_PLACE: lambda rows: Rescored(self.coarse.rewritten(rows), rows)}


@dataclass(frozen=True)
class UsearchGraph:
    """HNSW graph of usearch.

    Attributes:
        index: Index of usearch.

    """

    index: Any

    @property
    def bytes_per_vector(self) -> float:
        """Bytes of the file of the index for each vector."""
        size: float = self.index.serialized_length / len(self.index)
        return size

    def search(self, query: Floats, k: int) -> Items:
        """Return the positions of the found items, ``(Q, k)``."""
        found = self.index.search(query, k, threads=1)
        items = np.atleast_2d(found.keys).astype(np.int64)
        counts = np.atleast_1d(getattr(found, "counts", np.array([items.shape[1]])))
        items = np.pad(items, ((0, 0), (0, k - items.shape[1])))
        return np.where(np.arange(k) < counts[:, None], items, EMPTY)

    def rewrites(self) -> Mapping[str, Callable[[Floats], Index]]:
        """Return the removal and insertion of all items."""
        return {ADDED: self.added}

    def added(self, rows: Floats) -> UsearchGraph:
        """Return a copy in which batches of items are removed and added; usearch links a freed node again."""
        index = self.index.copy()
        for start in range(0, len(rows), BATCH):
            keys = np.arange(start, min(start + BATCH, len(rows)))
            index.remove(keys, threads=1)
            index.add(keys, rows[keys], threads=1)
        return UsearchGraph(index)
