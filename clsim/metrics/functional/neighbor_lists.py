"""Lists of neighbors in one or several indexes: filtered, merged, fused and ranked again.

Imports torch only when it computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from clsim.metrics.functional.checks import Features, Labels, as_count, as_features, as_tensor, check_widths
from clsim.metrics.functional.similarity import unit_rows

if TYPE_CHECKING:
    from torch import Tensor

EMPTY = -1
"""Position of an item where a list is shorter than the others; its score is minus infinity."""


class Neighbors(NamedTuple):
    """Gallery items found for each query, best first.

    Attributes:
        scores: Scores in descending order, ``(Q, K)``.
        items: Gallery positions, ``(Q, K)`` int64; :data:`EMPTY` at the end of short lists.

    """

    scores: Tensor
    items: Tensor


def keep_items(found: Neighbors, keep: Labels) -> Neighbors:
    """Return the lists without the items that an index does not hold.

    Args:
        found: Neighbors in the whole gallery.
        keep: Mask of the items to keep, ``(N,)`` bool.

    Returns:
        Lists of the same length, with :data:`EMPTY` at their ends.

    Example:
        >>> import torch
        >>> found = Neighbors(torch.tensor([[0.9, 0.8, 0.7]]), torch.tensor([[2, 0, 1]]))
        >>> keep_items(found, torch.tensor([True, True, False])).items
        tensor([[ 0,  1, -1]])

    """
    import torch

    mask = as_tensor(keep, "keep").to(found.items.device)
    kept = mask.bool()[found.items.clamp_min(0)] & (found.items != EMPTY)
    order = (~kept).to(torch.uint8).argsort(dim=1, stable=True)
    scores = found.scores.masked_fill(~kept, -float("inf")).gather(1, order)
    return Neighbors(scores, found.items.masked_fill(~kept, EMPTY).gather(1, order))


def merge_by_score(lists: Sequence[Neighbors], k: int) -> Neighbors:
    """Return the ``k`` best items of several indexes; an item found twice keeps its best score.

    Each index is searched with the query of its own model. Scores of different models are compared directly, so
    calibrate them first, see
    :func:`~clsim.metrics.functional.arrangements.score_line`. Ties go to the item of the lower position.

    Args:
        lists: Neighbors in each index, for the same queries.
        k: Length of the result; shorter lists end with :data:`EMPTY`.

    Raises:
        ValueError: There is no list, ``k`` is invalid, or the lists differ in the number of queries.

    Source: online backfilling by rank merge (WACV 2025, arXiv 2301.03767), with the distance of each model.

    Example:
        >>> import torch
        >>> old = Neighbors(torch.tensor([[0.9, 0.5]]), torch.tensor([[0, 1]]))
        >>> new = Neighbors(torch.tensor([[0.8, 0.7]]), torch.tensor([[1, 2]]))
        >>> merge_by_score([old, new], 3).items
        tensor([[0, 1, 2]])

    """
    scores, items = _joined(lists)
    order = scores.argsort(dim=1, descending=True, stable=True)
    return _best(scores.gather(1, order), items.gather(1, order), as_count(k, "k"))


def reciprocal_rank_fusion(lists: Sequence[Neighbors], k: int, constant: float = 60.0) -> Neighbors:
    r"""Return the ``k`` items of the greatest sums of reciprocal ranks, whose scores need no calibration.

    .. math:: s(n) = \sum_l \frac{1}{c + r_l(n)}

    over the lists that contain item :math:`n`, at rank :math:`r_l` from 1. Ties go to the item of the lower position.

    Args:
        lists: Neighbors in each index, for the same queries.
        k: Length of the result; shorter lists end with :data:`EMPTY`.
        constant: Constant :math:`c`.

    Raises:
        ValueError: There is no list, ``k`` is invalid, or the lists differ in the number of queries.

    Source: Cormack et al. (SIGIR 2009), with their constant.

    Example:
        >>> import torch
        >>> scores = torch.tensor([[0.9, 0.5]])
        >>> lists = [Neighbors(scores, torch.tensor([[7, 3]])), Neighbors(scores, torch.tensor([[3, 8]]))]
        >>> reciprocal_rank_fusion(lists, 3).items
        tensor([[3, 7, 8]])

    """
    import torch

    ranked = []
    for found in lists:
        rank = torch.arange(1, found.items.shape[1] + 1, dtype=torch.float64, device=found.items.device)
        scores = (1 / (constant + rank)).expand(found.items.shape)
        ranked.append(Neighbors(scores.masked_fill(found.items == EMPTY, 0.0), found.items))
    scores, items = _joined(ranked)
    changes = torch.zeros_like(items)
    changes[:, 1:] = items[:, 1:] != items[:, :-1]
    group = changes.cumsum(dim=1)
    total = torch.zeros_like(scores).scatter_add(1, group, scores).gather(1, group)
    total = total.masked_fill(items == EMPTY, -float("inf"))
    order = total.argsort(dim=1, descending=True, stable=True)
    return _best(total.gather(1, order), items.gather(1, order), as_count(k, "k"))


def cascade(candidates: Labels, query: Features, gallery: Features, k: int, *, chunk: int = 256) -> Neighbors:
    """Return the best of some candidates by another model's cosines: the old index proposes, the new model ranks.

    Args:
        candidates: Gallery positions proposed for each query, ``(Q, C)``; :data:`EMPTY` is skipped.
        query: Query features by the ranking model, ``(Q, D)``.
        gallery: Gallery features by the ranking model, ``(N, D)``; only candidates are read.
        k: Length of the result; shorter lists end with :data:`EMPTY`.
        chunk: Queries per block.

    Raises:
        ValueError: Shapes or types do not fit, or features are not finite.

    Example:
        >>> import torch
        >>> gallery = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> cascade(torch.tensor([[1, 2]]), torch.tensor([[1.0, 0.0]]), gallery, k=2).items
        tensor([[2, 1]])

    """
    import torch

    query, gallery = as_features(query, "query"), as_features(gallery, "gallery")
    check_widths(query, gallery)
    items = as_tensor(candidates, "candidates").to(query.device)
    if items.ndim != 2 or len(items) != len(query):
        raise ValueError(f"candidates: expected ({len(query)}, C), got {tuple(items.shape)}")
    if int(items.min()) < EMPTY or int(items.max()) >= len(gallery):
        raise ValueError(f"candidates: expected positions from {EMPTY} to {len(gallery) - 1}")
    scores = torch.empty(items.shape, dtype=torch.float64, device=query.device)
    units = unit_rows(query, "query").double()
    for start in range(0, len(query), chunk):
        part = slice(start, start + chunk)
        rows = gallery[items[part].clamp_min(0).flatten().to(gallery.device)].to(query.device)
        unit = unit_rows(rows, "gallery").double().view(*items[part].shape, -1)
        scores[part] = torch.einsum("qcd,qd->qc", unit, units[part])
    return merge_by_score([Neighbors(scores.masked_fill(items == EMPTY, -float("inf")), items)], k)


def _joined(lists: Sequence[Neighbors]) -> tuple[Tensor, Tensor]:
    """Return scores and items of all lists side by side, by ascending item."""
    import torch

    if not lists:
        raise ValueError("lists: expected at least one")
    if len({len(found.items) for found in lists}) > 1:
        raise ValueError(f"lists: they differ in queries: {[len(found.items) for found in lists]}")
    scores = torch.cat([found.scores.double() for found in lists], dim=1)
    items, order = torch.cat([found.items for found in lists], dim=1).sort(dim=1, stable=True)
    return scores.gather(1, order), items


def _best(scores: Tensor, items: Tensor, k: int) -> Neighbors:
    """Return the first ``k`` different items of lists in descending order of scores."""
    import torch
    from torch.nn import functional as F

    # Stable sorting by item puts the best entry of an item first among its own.
    by_item, order = items.sort(dim=1, stable=True)
    repeated = torch.zeros_like(by_item, dtype=torch.bool)
    repeated[:, 1:] = by_item[:, 1:] == by_item[:, :-1]
    drop = torch.zeros_like(repeated).scatter(1, order, repeated) | (items == EMPTY)
    place = drop.to(torch.uint8).argsort(dim=1, stable=True)[:, :k]
    found = items.masked_fill(drop, EMPTY).gather(1, place)
    kept = scores.masked_fill(drop, -float("inf")).gather(1, place)
    missing = max(0, k - found.shape[1])
    return Neighbors(F.pad(kept, (0, missing), value=-float("inf")), F.pad(found, (0, missing), value=EMPTY))
