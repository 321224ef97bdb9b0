"""Recall@K of retrieval between images and texts.

Follows the rules of :mod:`clsim.metrics.functional.retrieval`. Imports torch only when it computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import TYPE_CHECKING, Any, TypeAlias

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

Positives: TypeAlias = "Tensor | NDArray[Any] | Sequence[Sequence[int]]"
"""Mask ``(Q, N)``, or gallery positions for each query."""


def recall_at_k(
    query: Features,
    gallery: Features,
    positives: Positives,
    k: Sequence[int] = (1, 5, 10),
    *,
    unmatched: Unmatched = "wrong",
    chunk: int | None = None,
) -> dict[int, float]:
    """Return R@k: fraction of queries with a positive among the k nearest gallery items.

    From image to text a query has several positives, and the best one counts. From text to image it has one. If each
    image and text carries the number of its image, this equals :func:`cmc` with these numbers as class ids.

    Args:
        query: Query features of images or texts, ``(Q, D)``.
        gallery: Gallery features of the other modality, ``(N, D)``.
        positives: Correct results: a bool mask ``(Q, N)``, or a list of gallery positions for each query.
        k: Cut-off ranks, each at least 1.
        unmatched: Treatment of queries without a positive: count as ``wrong``, or ``skip``.
        chunk: Queries per block. The default holds 64 MiB of similarities.

    Returns:
        Fraction for each ``k``.

    Raises:
        ValueError: Shapes do not fit, a position or ``k`` is out of range, an input is empty, or features are not
            finite.

    Source: SLERP paper and XBT (arXiv 2405.14715), which report percentages.

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
        raise ValueError(f"positives: expected one row for each of the {len(query)} queries, got {len(positives)}")
    mask = _as_mask(positives, len(query), len(gallery))
    unit_query, unit_gallery = unit_rows(query, "query"), unit_rows(gallery, "gallery").double()
    found, matched = dict.fromkeys(counts, 0), 0
    for rows in row_blocks(len(query), len(gallery), chunk):
        similarity = cosines(unit_query[rows], unit_gallery)
        right = _positions_to_mask(positives[rows], similarity) if mask is None else mask[rows].to(similarity.device)
        known = count_true(right) > 0
        best = similarity.where(right, -float("inf")).amax(dim=1, keepdim=True)
        ahead = count_true((similarity >= best) & ~right)
        matched += int(known.sum())
        for count in found:
            found[count] += int(((ahead < count) & known).sum())
    return {count: mean_of_queries(total, matched, len(query), unmatched) for count, total in found.items()}


def _as_mask(positives: Positives, queries: int, items: int) -> Tensor | None:
    """Return the mask of positives, or ``None`` if positions are given.

    Raises:
        ValueError: The array is not a bool mask ``(Q, N)``.
    """
    import torch

    if isinstance(positives, Sequence):
        return None
    mask = as_tensor(positives, "positives")
    if mask.shape != (queries, items) or mask.dtype != torch.bool:
        raise ValueError(
            f"positives: expected a bool mask ({queries}, {items}) or lists of positions, "
            f"got {tuple(mask.shape)} {mask.dtype}"
        )
    return mask


def _positions_to_mask(positives: Any, like: Tensor) -> Tensor:
    """Return the mask of the positives of some queries, with the shape and device of ``like``."""
    import torch

    mask = torch.zeros(like.shape, dtype=torch.bool)
    for row, places in zip(mask, positives, strict=True):
        try:
            known = [-1 if isinstance(place, bool) else index(place) for place in places]
        except TypeError as error:
            raise ValueError(f"positives: expected lists of gallery positions, got {places!r}") from error
        if any(not 0 <= place < len(row) for place in known):
            raise ValueError(f"positives: expected gallery positions 0 to {len(row) - 1}, got {list(places)}")
        row[known] = True
    return mask.to(like.device)
