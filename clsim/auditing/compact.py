"""Shortened vectors of the new model: fewer dimensions or fewer bits, and what they cost in recall.

Arrays in, arrays out; rows are unit vectors, so that an inner product is a cosine.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Items = NDArray[np.int64]

EMPTY = -1
"""Place in a list without an item."""
OVERSAMPLING = 10
"""Candidates per item of a list when sign bits propose and exact vectors rank."""
CUTS = (2, 4, 8)
"""Divisors of the width."""
QUERIES_AT_ONCE = 128
"""Queries whose scores with all items are in memory at once."""


class Compact(NamedTuple):
    """Lists that shortened vectors find.

    Attributes:
        name: Form of the vectors.
        items: Positions of the found items, best first, ``(Q, k)``.
        bytes_per_vector: Bytes of one stored vector.

    """

    name: str
    items: Items
    bytes_per_vector: int


def unit(rows: NDArray[Any]) -> Floats:
    """Return rows of length 1 in float32; a row of zeros stays.

    Example:
        >>> unit(np.array([[3.0, 4.0], [0.0, 0.0]]))
        array([[0.6, 0.8],
               [0. , 0. ]], dtype=float32)

    """
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.ascontiguousarray(rows / np.maximum(lengths, 1e-12), dtype=np.float32)


def quantize_int8(rows: Floats) -> tuple[NDArray[np.int8], Floats]:
    r"""Return symmetric 8-bit codes with one scale per vector.

    .. math:: c = \mathrm{round}(x / s), \quad s = \max_i |x_i| / 127

    so that :math:`x \approx s \, c`. A row of zeros has the scale 0.

    Args:
        rows: Vectors, ``(N, D)``.

    Returns:
        Codes, ``(N, D)`` int8, and scales, ``(N, 1)``.

    Example:
        >>> codes, scales = quantize_int8(np.array([[1.27, -0.5, 0.004]], dtype=np.float32))
        >>> codes, scales.round(4)
        (array([[127, -50,   0]], dtype=int8), array([[0.01]], dtype=float32))

    """
    scales = (np.abs(rows).max(axis=1, keepdims=True) / 127).astype(np.float32)
    codes = np.rint(rows / np.where(scales > 0, scales, 1)).astype(np.int8)
    return codes, scales


def sign_bits(rows: Floats) -> NDArray[np.uint8]:
    """Return one bit per dimension, 1 for numbers above 0, in bytes.

    Args:
        rows: Vectors, ``(N, D)``.

    Returns:
        Bits, ``(N, ceil(D / 8))``; the last byte ends with zeros.

    Example:
        >>> sign_bits(np.array([[0.5, -0.1, 0.2, 0.0]], dtype=np.float32))
        array([[160]], dtype=uint8)

    """
    return np.packbits(rows > 0, axis=1)


def hamming_scores(query: NDArray[np.uint8], items: NDArray[np.uint8], width: int) -> NDArray[np.int32]:
    r"""Return :math:`d - 2 h` for each query and item, with the Hamming distance :math:`h` of their sign bits.

    This is the inner product of the two vectors of signs, which is how it is computed.

    Args:
        query: Bits of the queries, ``(Q, B)``.
        items: Bits of the items, ``(N, B)``.
        width: Number :math:`d` of bits that count.

    Returns:
        Scores, ``(Q, N)``, from ``-width`` to ``width``.

    Example:
        >>> hamming_scores(np.array([[0b10100000]], np.uint8), np.array([[0b10010000]], np.uint8), 4)
        array([[0]], dtype=int32)

    """
    signs = [np.unpackbits(bits, axis=1, count=width).astype(np.float32) * 2 - 1 for bits in (query, items)]
    # Whole numbers up to 2^24 are exact in float32.
    scores: NDArray[np.int32] = (signs[0] @ signs[1].T).astype(np.int32)
    return scores


def nearest_by_bits(query: NDArray[np.uint8], items: NDArray[np.uint8], width: int, count: int) -> Items:
    """Return the items of the smallest Hamming distances, ``(Q, count)``; ties go to the lower position.

    Example:
        >>> bits = sign_bits(np.array([[-1.0, -1.0], [1.0, 1.0], [1.0, 1.0]], dtype=np.float32))
        >>> nearest_by_bits(bits[2:], bits, 2, 2)
        array([[1, 2]])

    """
    parts = []
    for start in range(0, len(query), QUERIES_AT_ONCE):
        scores = hamming_scores(query[start : start + QUERIES_AT_ONCE], items, width).astype(np.int64)
        # One number for score and position, so that no two items are equal.
        keys = (width - scores) * len(items) + np.arange(len(items))
        kept = np.partition(keys, count - 1, axis=1)[:, :count] if count < len(items) else keys
        parts.append(np.sort(kept, axis=1) % len(items))
    return np.concatenate(parts)


def scores_of(query: Floats, rows: Floats, items: Items) -> Floats:
    """Return the inner product of each query with the items of its list, ``(Q, K)``; minus infinity at empty places.

    Example:
        >>> scores_of(np.eye(2, dtype=np.float32)[:1], np.eye(2, dtype=np.float32), np.array([[1, 0, -1]]))
        array([[  0.,   1., -inf]], dtype=float32)

    """
    parts = []
    for start in range(0, len(query), QUERIES_AT_ONCE):
        part = slice(start, start + QUERIES_AT_ONCE)
        found = rows[np.maximum(items[part], 0)]
        parts.append(np.einsum("qkd,qd->qk", found, query[part], optimize=True))
    return np.where(items == EMPTY, -np.inf, np.concatenate(parts)).astype(np.float32)


def rescore(query: Floats, rows: Floats, candidates: Items, k: int) -> Items:
    """Return the ``k`` best candidates by exact inner products, ``(Q, k)``.

    Args:
        query: Queries, ``(Q, D)``.
        rows: Exact vectors of the items, ``(N, D)``; only candidates are read.
        candidates: Positions that a coarse index proposes, ``(Q, C)`` with ``C >= k``.
        k: Length of the lists.

    Example:
        >>> rows = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], dtype=np.float32)
        >>> rescore(rows[:1], rows, np.array([[2, 1]]), 1)
        array([[1]])

    """
    order = np.argsort(-scores_of(query, rows, candidates), axis=1, kind="stable")[:, :k]
    return np.take_along_axis(candidates, order, axis=1)


def compact_lists(query: Floats, rows: Floats, k: int) -> Iterator[Compact]:
    """Yield the lists that shortened vectors find.

    Queries are whole in float32 unless vectors have fewer dimensions or only signs. Forms are the first half, quarter
    and eighth of the dimensions (scaled to length 1 again), float16, int8 with one scale per vector, sign bits, and
    sign bits whose candidates exact vectors rank again.

    Args:
        query: Queries, unit rows ``(Q, D)``.
        rows: Items, unit rows ``(N, D)``.
        k: Length of the lists.

    """
    width = rows.shape[1]
    for parts in CUTS:
        if kept := width // parts:
            items = nearest(unit(query[:, :kept]), unit(rows[:, :kept]), k)
            yield Compact(f"first {kept} dimensions", items, 4 * kept)
    yield Compact("float16", nearest(query, rows.astype(np.float16).astype(np.float32), k), 2 * width)
    codes, scales = quantize_int8(rows)
    yield Compact("int8", nearest(query, codes * scales, k), width + 4)
    bits = sign_bits(rows)
    candidates = nearest_by_bits(sign_bits(query), bits, width, min(OVERSAMPLING * k, len(rows)))
    yield Compact("sign bits", candidates[:, :k], bits.shape[1])
    yield Compact("sign bits, rescored", rescore(query, rows, candidates, k), bits.shape[1] + 4 * width)


def nearest(query: Floats, rows: Floats, k: int) -> Items:
    """Return the items of the greatest inner products, ``(Q, k)``.

    Example:
        >>> nearest(np.array([[1.0, 0.1]], dtype=np.float32), np.eye(2, dtype=np.float32), 2)
        array([[0, 1]])

    """
    parts = []
    for start in range(0, len(query), QUERIES_AT_ONCE):
        scores = query[start : start + QUERIES_AT_ONCE] @ rows.T
        found = np.argpartition(-scores, k - 1, axis=1)[:, :k] if k < len(rows) else np.arange(k)[None]
        found = np.broadcast_to(found, (len(scores), k))
        order = np.argsort(-np.take_along_axis(scores, found, axis=1), axis=1, kind="stable")
        parts.append(np.take_along_axis(found, order, axis=1))
    return np.concatenate(parts)
