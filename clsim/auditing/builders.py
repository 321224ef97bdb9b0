"""Indexes that an audit builds, with FAISS and usearch, which are both optional.

Rows are unit vectors in float32, and indexes rank by inner products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import isqrt

import numpy as np

from clsim.auditing.ann import SEARCH_EFFORT, FaissGraph, FaissIndex, Index, Rescored, UsearchGraph, faiss_module
from clsim.auditing.compact import Floats, sign_bits

LINKS, BUILD_EFFORT = 16, 64
"""HNSW: links of a node (M) and candidates while building (efConstruction), the defaults of pgvector."""
CODE_DIMENSIONS = 8
"""PQ: dimensions of a sub-vector, each with a code of 8 bits."""
TRAINING, ITERATIONS = 1 << 14, 10
"""PQ: most training vectors, and iterations of k-means."""
MANY, FEW = 16_000, 2000
"""PQ: training vectors from which FAISS is ten times as fast, and below which repeating them takes longer."""


def build_flat(rows: Floats, seed: int) -> Index:
    """Return an exact index."""
    faiss = faiss_module()
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    return FaissIndex(index, 4 * rows.shape[1])


def build_hnsw(rows: Floats, seed: int) -> Index:
    """Return an HNSW graph; FAISS draws the levels of the nodes with a fixed seed."""
    faiss = faiss_module()
    index = faiss.IndexHNSWFlat(rows.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = BUILD_EFFORT
    index.add(rows)
    return FaissGraph(index)


def build_ivf(rows: Floats, seed: int) -> Index:
    """Return inverted lists of whole vectors, the root of the items in number; a search reads the root of them."""
    faiss = faiss_module()
    width, lists = rows.shape[1], isqrt(len(rows))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(width), width, lists, faiss.METRIC_INNER_PRODUCT)
    index.nprobe = isqrt(lists)
    index.cp.seed, index.cp.min_points_per_centroid = seed, 1
    index.train(rows)
    index.add(rows)
    return FaissIndex(index, 4 * width + 8)


def build_pq(rows: Floats, seed: int) -> Index:
    """Return codes of a product quantizer; zeros fill the last sub-vector."""
    faiss = faiss_module()
    width = -rows.shape[1] % CODE_DIMENSIONS + rows.shape[1]
    index = faiss.IndexPQ(width, width // CODE_DIMENSIONS, 8, faiss.METRIC_INNER_PRODUCT)
    index.pq.cp.seed, index.pq.cp.niter = seed, ITERATIONS
    stored = _padded(rows)
    # FAISS 1.15 has a fast kernel for many narrow vectors; repeated vectors have the same clusters.
    repeats = -(-MANY // len(rows)) if len(rows) >= FEW else 1
    most = max(TRAINING, repeats * len(rows)) if repeats > 1 else TRAINING
    index.pq.cp.max_points_per_centroid, index.pq.cp.min_points_per_centroid = -(-most // 256), 1
    index.train(np.tile(stored, (repeats, 1)))
    index.add(stored)
    return FaissIndex(index, width / CODE_DIMENSIONS, _padded)


def build_int8(rows: Floats, seed: int) -> Index:
    """Return codes of 8 bits between the least and the greatest number of each dimension."""
    faiss = faiss_module()
    width = rows.shape[1]
    index = faiss.IndexScalarQuantizer(width, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
    index.train(rows)
    index.add(rows)
    return FaissIndex(index, width)


def build_binary(rows: Floats, seed: int) -> FaissIndex:
    """Return sign bits that are compared by Hamming distance. Nothing is learned."""
    faiss = faiss_module()
    bits = sign_bits(rows)
    index = faiss.IndexBinaryFlat(8 * bits.shape[1])
    index.add(bits)
    return FaissIndex(index, bits.shape[1], sign_bits)


def build_rescored(rows: Floats, seed: int) -> Index:
    """Return sign bits with exact vectors that rank their candidates."""
    return Rescored(build_binary(rows, seed), rows)


def build_usearch(rows: Floats, seed: int) -> Index:
    """Return an HNSW graph of usearch."""
    from usearch.index import Index as Graph

    graph = Graph(
        ndim=rows.shape[1],
        metric="ip",
        dtype="f32",
        connectivity=LINKS,
        expansion_add=BUILD_EFFORT,
        expansion_search=SEARCH_EFFORT,
    )
    graph.add(np.arange(len(rows)), rows, threads=1)
    return UsearchGraph(graph)


FAISS_INDEXES: Mapping[str, Callable[[Floats, int], Index]] = {
    "flat": build_flat,
    "hnsw": build_hnsw,
    "ivf": build_ivf,
    "pq": build_pq,
    "int8": build_int8,
    "binary": build_binary,
    "binary_rescored": build_rescored,
}
"""Functions that build an index of FAISS from rows and a seed, by name."""


@contextmanager
def one_faiss_thread() -> Iterator[None]:
    """Let FAISS compute with one thread: several would build another graph each time."""
    faiss = faiss_module()
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def _padded(rows: Floats) -> Floats:
    return np.ascontiguousarray(np.pad(rows, ((0, 0), (0, -rows.shape[1] % CODE_DIMENSIONS))))
