"""Recall@K: of retrieval between images and texts, and of the exact answer of a search.

Follows the rules of :mod:`clsim.metrics.functional.retrieval`. Imports torch only when it computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import TYPE_CHECKING, Any, TypeAlias

from clsim.metrics.functional.checks import (
    Features,
    SelfItems,
    Unmatched,
    as_count,
    as_counts,
    as_features,
    as_tensor,
    check_unmatched,
    check_widths,
    mean_of_queries,
)
from clsim.metrics.functional.search import nearest
from clsim.metrics.functional.similarity import cosines, count_true, find_self_items, row_blocks, unit_rows

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


def recall_of_exact(found: Tensor, exact: Tensor) -> float:
    r"""Return the fraction of the exact results that a search found: recall@k of an index, without labels.

    .. math:: \sum_i |F_i \cap E_i| \Big/ \sum_i |E_i|

    Args:
        found: Gallery positions that the search returned, ``(Q, m)``, negative for none.
        exact: Gallery positions of the exact answer, ``(Q, k)``, negative for none; each position once in a row.

    Raises:
        ValueError: Shapes do not fit, or there is no exact result.

    Example:
        >>> import torch
        >>> recall_of_exact(torch.tensor([[3, 1, 2]]), torch.tensor([[3, 7]]))
        0.5

    """
    if found.ndim != 2 or exact.ndim != 2 or len(found) != len(exact):
        raise ValueError(
            f"results: expected positions (Q, m) and (Q, k), got {tuple(found.shape)} and {tuple(exact.shape)}"
        )
    wanted = exact >= 0
    if not (total := int(wanted.sum())):
        raise ValueError("exact: expected at least one exact result, got none")
    hits = (exact[:, :, None] == found.to(exact.device)[:, None, :]).any(dim=2) & wanted
    return int(hits.sum()) / total


def nearest_others(query: Features, gallery: Features, k: int = 10, *, exclude_self: SelfItems = False) -> Tensor:
    """Return the k nearest gallery items of each query, other than the query itself.

    Args:
        query: Query features, ``(Q, D)``.
        gallery: Gallery features, ``(N, D)``.
        k: Number of results, at least 1.
        exclude_self: Gallery items that the queries are, as :func:`match_ranks` takes them.

    Returns:
        Gallery positions, the nearest first, negative where the gallery has no further item: ``(Q, k)``, or ``(Q, N)``
        for a gallery of fewer items.

    Raises:
        ValueError: Shapes or types do not fit, ``k`` is below 1, an input is empty, or features are not finite.

    Example:
        >>> nearest_others([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.1], [0.1, 1.0]], k=1, exclude_self=True)
        tensor([[1],
                [0]])

    """
    query, gallery = as_features(query, "query"), as_features(gallery, "gallery")
    k = as_count(k, "k")
    # Any query may be any item, as if all were of one class.
    labels, item_labels = (each.new_zeros(len(each)).long() for each in (query, gallery))
    themselves = find_self_items(labels, item_labels, exclude_self)
    spare = 0 if themselves is None else themselves.shape[1]
    found = nearest(query, gallery, min(k + spare, len(gallery)))[1]
    if themselves is None:
        return found
    own = (found[:, :, None] == themselves.to(found.device)[:, None, :]).any(dim=2)
    order = own.long().sort(dim=1, stable=True).indices[:, :k]
    return found.where(~own, -1).gather(1, order)


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
