"""Figures of serving arrangements for two models: recall, calibrated scores and orders of re-indexing.

Imports torch only when it computes.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from clsim.metrics.functional.backfill import BackfillCurve
from clsim.metrics.functional.checks import Labels, as_count, as_tensor
from clsim.metrics.functional.neighbor_lists import EMPTY, Neighbors, keep_items, merge_by_score

if TYPE_CHECKING:
    from torch import Tensor


def score_line(source: Tensor, target: Tensor) -> tuple[float, float]:
    r"""Return slope and intercept of the least-squares line from one model's scores to another's.

    .. math:: \min_{a, b} \sum_i (a s_i + b - t_i)^2

    Applied to the scores of a bridged or old index, ``a * scores + b`` makes them comparable with those of the new
    one. Fit it to validation queries.

    Args:
        source: Scores of pairs of a query and an item by the first model, any shape.
        target: Scores of the same pairs by the second model.

    Raises:
        ValueError: The two differ in shape, or the source is constant.

    Example:
        >>> import torch
        >>> score_line(torch.tensor([0.0, 1.0]), torch.tensor([0.5, 0.75]))
        (0.25, 0.5)

    """
    if source.shape != target.shape:
        raise ValueError(f"source and target differ in shape: {tuple(source.shape)} and {tuple(target.shape)}")
    x, y = source.double().flatten(), target.double().flatten()
    variance = float((x - x.mean()).square().sum())
    if variance == 0:
        raise ValueError("source: expected scores that differ")
    slope = float(((x - x.mean()) * (y - y.mean())).sum()) / variance
    return slope, float(y.mean()) - slope * float(x.mean())


def list_recall(items: Labels, relevant: Labels) -> Tensor:
    r"""Return the share of each query's relevant items in its list, ``(Q,)`` float64; NaN without a relevant item.

    .. math:: R_q = \frac{|L_q \cap T_q|}{\min(K, |T_q|)}

    so that a perfect list of ``K`` items has recall 1, also with more relevant items.

    Args:
        items: Gallery positions found for each query, ``(Q, K)``, without repetition; -1 for none.
        relevant: Relevant items of each query, ``(Q, T)`` without repetition, with -1 where there are fewer.
            With the exact neighbors as relevant items, this is the recall of an index.

    Raises:
        ValueError: The two differ in the number of queries.

    Example:
        >>> import torch
        >>> list_recall(torch.tensor([[3, 5], [1, 2]]), torch.tensor([[5, -1], [7, 1]]))
        tensor([1.0000, 0.5000], dtype=torch.float64)

    """
    found, wanted = as_tensor(items, "items"), as_tensor(relevant, "relevant")
    if found.ndim != 2 or wanted.ndim != 2 or len(found) != len(wanted):
        raise ValueError(f"expected (Q, K) and (Q, T), got {tuple(found.shape)} and {tuple(wanted.shape)}")
    hit = ((found[:, :, None] == wanted[:, None, :]) & (wanted != EMPTY)[:, None, :]).any(dim=1)
    most = (wanted != EMPTY).sum(dim=1).clamp_max(found.shape[1])
    recall: Tensor = hit.sum(dim=1).double() / most.double()
    return recall


def descending_order(values: Labels) -> Tensor:
    """Return an order of re-indexing by descending values: uncertainty, or how often an item is found.

    Args:
        values: Value of each item, ``(N,)``.

    Returns:
        Item positions, ``(N,)``; ties keep gallery order.

    Example:
        >>> descending_order([1, 5, 5])
        tensor([1, 2, 0])

    """
    return as_tensor(values, "values").argsort(descending=True, stable=True)


def popularity(items: Labels, count: int) -> Tensor:
    """Return how often each item is found, ``(N,)``: an order of re-indexing may start with popular items.

    Args:
        items: Gallery positions found for past queries, of any shape; -1 is skipped.
        count: Number of items, ``N``.

    Example:
        >>> popularity([[2, 0], [2, -1]], 3)
        tensor([1, 0, 2])

    """
    found = as_tensor(items, "items").flatten()
    return found[found != EMPTY].bincount(minlength=count)


def partial_index_curve(
    stored: Neighbors, fresh: Neighbors, order: Labels, relevant: Labels, k: int, *, steps: int = 10
) -> BackfillCurve:
    r"""Return the recall of a partly re-indexed gallery, as more of its items are re-indexed.

    At step ``s`` of ``S`` the first :math:`\lfloor s N / S \rfloor` items of ``order`` are found by their fresh vectors
    and the others by their stored ones; both lists are merged by score. For the recall to be exact at every step,
    lists must contain the whole gallery. Lists of ``K`` items are exact wherever ``k`` of them remain in each half.

    Args:
        stored: Neighbors of each query among all stored vectors, with scores comparable to the fresh ones.
        fresh: Neighbors of each query among all fresh vectors.
        order: Items in the order of re-indexing, ``(N,)``, each once.
        relevant: Relevant items of each query, see :func:`list_recall`.
        k: Length of the lists that a user sees.
        steps: Number of points after the first.

    Raises:
        ValueError: Shapes do not fit, ``order`` repeats an item, or no query has a relevant item.

    Example:
        >>> import torch
        >>> stored = Neighbors(torch.tensor([[0.9, 0.1]]), torch.tensor([[1, 0]]))
        >>> fresh = Neighbors(torch.tensor([[0.8, 0.2]]), torch.tensor([[0, 1]]))
        >>> partial_index_curve(stored, fresh, [1, 0], [[0]], k=1, steps=2).accuracy
        (0.0, 0.0, 1.0)

    """
    import torch

    places = as_tensor(order, "order").to(stored.items.device)
    count = len(places)
    if places.sort().values.tolist() != list(range(count)):
        raise ValueError(f"order: expected each of the positions 0 to {count - 1} once")
    cuts = sorted({step * count // as_count(steps, "steps") for step in range(steps + 1)})
    is_fresh = torch.zeros(count, dtype=torch.bool, device=places.device)
    accuracy = []
    for start, end in pairwise([0, *cuts]):
        is_fresh[places[start:end]] = True
        lists = [keep_items(stored, ~is_fresh), keep_items(fresh, is_fresh)]
        recall = list_recall(merge_by_score(lists, k).items, relevant)
        if bool(recall.isnan().all()):
            raise ValueError("relevant: no query has a relevant item")
        accuracy.append(float(recall.nanmean()))
    return BackfillCurve(tuple(cut / count for cut in cuts), tuple(accuracy))
