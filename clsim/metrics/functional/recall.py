"""Retrieval between images and texts: is a partner among the nearest?

Compared by cosine, under the rules of :mod:`clsim.metrics.functional.retrieval`. Imports torch where it computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import TYPE_CHECKING, Any

from clsim.metrics.functional.checks import (
    Features,
    Unmatched,
    as_counts,
    as_features,
    as_tensor,
    check_unmatched,
    check_widths,
    mean_of_queries,
)
from clsim.metrics.functional.similarity import cosines, count_true, row_blocks, unit_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


def recall_at_k(
    query: Features,
    gallery: Features,
    positives: Tensor | NDArray[Any] | Sequence[Sequence[int]],
    k: Sequence[int] = (1, 5, 10),
    *,
    unmatched: Unmatched = "wrong",
    chunk: int | None = None,
) -> dict[int, float]:
    """R@k of cross-modal retrieval: share of queries with a positive among the k nearest of the gallery.

    From image to text a query has several positives and the best of them counts; from text to image it has one. Where
    images and texts bear the number of their image, this is :func:`cmc` with these numbers for class ids.

    Args:
        query: features ``(Q, D)`` of images or of texts.
        gallery: features ``(N, D)`` of the other modality.
        positives: what may be found: a mask ``(Q, N)``, or for every query the gallery positions.
        k: how many of the nearest count, each at least 1.
        unmatched: Queries without any positive count as ``wrong``, or are left out, ``skip``.
        chunk: queries at a time; by default as many as need 64 MiB of similarities.

    Returns:
        A fraction for every ``k``.

    Raises:
        ValueError: sizes do not fit together, a position or ``k`` is out of range, there is nothing to compare, or
            features are not finite.

    Source: SLERP paper and XBT (arXiv 2405.14715), which state it in percent.

    Example:
        >>> import torch
        >>> captions = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.7, 0.7]])
        >>> recall_at_k(torch.tensor([[0.1, 1.0], [0.0, 1.0]]), captions, [[0, 1], [2]], k=(1, 2))
        {1: 0.5, 2: 1.0}

    """
    counts = as_counts(k)
    check_unmatched(unmatched)
    query, gallery = as_features(query, "query"), as_features(gallery, "gallery")
    check_widths(query, gallery)
    if len(positives) != len(query):
        raise ValueError(f"positives of {len(positives)} queries for {len(query)} queries")
    mask = _mask(positives, len(query), len(gallery))
    unit_query, unit_gallery = unit_rows(query, "query"), unit_rows(gallery, "gallery").double()
    found, matched = dict.fromkeys(counts, 0), 0
    for rows in row_blocks(len(query), len(gallery), chunk):
        similarity = cosines(unit_query[rows], unit_gallery)
        right = _positive(positives[rows], similarity) if mask is None else mask[rows].to(similarity.device)
        known = count_true(right) > 0
        best = similarity.where(right, -float("inf")).amax(dim=1, keepdim=True)
        ahead = count_true((similarity >= best) & ~right)
        matched += int(known.sum())
        for count in found:
            found[count] += int(((ahead < count) & known).sum())
    return {count: mean_of_queries(total, matched, len(query), unmatched) for count, total in found.items()}


def _mask(positives: Any, queries: int, items: int) -> Tensor | None:
    """Return the mask of positives if one is given; ``None`` for positions.

    Raises:
        ValueError: Something between the two.
    """
    import torch

    if not hasattr(positives, "shape"):
        return None
    mask = as_tensor(positives, "positives")
    if mask.shape != (queries, items) or mask.dtype != torch.bool:
        raise ValueError(f"a mask of positives is bool ({queries}, {items}); pass positions as lists")
    return mask


def _positive(positives: Any, like: Tensor) -> Tensor:
    """Return the mask of some queries' positives, of the shape of ``like``."""
    import torch

    mask = torch.zeros(like.shape, dtype=torch.bool)
    for row, places in zip(mask, positives, strict=True):
        try:
            known = [-1 if isinstance(place, bool) else index(place) for place in places]
        except TypeError as error:
            raise ValueError(f"positives are lists of gallery positions; got {places!r}") from error
        if any(not 0 <= place < len(row) for place in known):
            raise ValueError(f"a positive outside the gallery of {len(row)}: {list(places)}")
        row[known] = True
    return mask.to(like.device)
