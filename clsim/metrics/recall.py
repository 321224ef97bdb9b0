"""Retrieval between images and texts: is a partner among the nearest?

Compared by cosine in float32, under the rules of :mod:`clsim.metrics.retrieval`. Imports torch where it computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from clsim.metrics.similarity import check_widths, cosines, row_blocks, unit_rows

if TYPE_CHECKING:
    from torch import Tensor


def recall_at_k(
    query: Tensor,
    gallery: Tensor,
    positives: Tensor | Sequence[Sequence[int]],
    k: Sequence[int] = (1, 5, 10),
    *,
    chunk: int | None = None,
) -> dict[int, float]:
    """R@k of cross-modal retrieval: share of queries with a positive among the k nearest of the gallery.

    From image to text a query has several positives and the best of them counts; from text to image it has one. Where
    images and texts bear the number of their image, this is :func:`cmc` with these numbers for class ids.

    Args:
        query: features ``(Q, D)`` of images or of texts.
        gallery: features ``(N, D)`` of the other modality.
        positives: what may be found: a mask ``(Q, N)``, or for every query the gallery positions; a query without any
            counts as answered wrongly.
        k: how many of the nearest count, each at least 1.
        chunk: queries at a time; by default as many as need 64 MiB of similarities.

    Returns:
        A fraction for every ``k``.

    Raises:
        ValueError: sizes do not fit together, a position or ``k`` is out of range, or there is nothing to compare.

    Source: SLERP paper and XBT (arXiv 2405.14715), which state it in percent.

    Example:
        >>> import torch
        >>> captions = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.7, 0.7]])
        >>> recall_at_k(torch.tensor([[0.1, 1.0], [0.0, 1.0]]), captions, [[0, 1], [2]], k=(1, 2))
        {1: 0.5, 2: 1.0}

    """
    import torch

    if any(count < 1 for count in k):
        raise ValueError(f"k counts gallery items from 1; got {list(k)}")
    check_widths(query, gallery)
    if len(positives) != len(query):
        raise ValueError(f"positives of {len(positives)} queries for {len(query)} queries")
    if isinstance(positives, torch.Tensor) and (
        positives.shape[1:] != gallery.shape[:1] or positives.dtype != torch.bool
    ):
        raise ValueError(f"a mask of positives is bool ({len(query)}, {len(gallery)}); pass positions as lists")
    unit_gallery, found = unit_rows(gallery), dict.fromkeys(k, 0)
    for rows in row_blocks(len(query), len(gallery), chunk):
        similarity = cosines(query[rows], unit_gallery)
        mask = _positive(positives[rows], similarity)
        best = similarity.where(mask, -float("inf")).amax(dim=1, keepdim=True)
        ahead = ((similarity >= best) & ~mask).sum(dim=1)
        for count in k:
            found[count] += int(((ahead < count) & mask.any(dim=1)).sum())
    return {count: total / len(query) for count, total in found.items()}


def _positive(positives: Tensor | Sequence[Sequence[int]], like: Tensor) -> Tensor:
    """The mask of some queries' positives, of the shape of ``like``."""
    import torch

    if isinstance(positives, torch.Tensor):
        return positives.to(like.device)
    mask = torch.zeros(like.shape, dtype=torch.bool)
    for row, places in zip(mask, positives, strict=True):
        if any(not 0 <= place < len(row) for place in places):
            raise ValueError(f"a positive outside the gallery of {len(row)}: {list(places)}")
        row[list(places)] = True
    return mask.to(like.device)
