"""Backfilling: search accuracy while a gallery is re-indexed, and orders of re-indexing.

Imports torch only when it computes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from clsim.metrics.functional.checks import (
    Features,
    Labels,
    SelfItems,
    as_count,
    as_features,
    as_labeled,
    as_labels,
    as_tensor,
    check_widths,
)
from clsim.metrics.functional.nearest_mean import nearest_class_mean_accuracy
from clsim.metrics.functional.similarity import find_self_items, similarity_blocks, unit_rows

if TYPE_CHECKING:
    from torch import Generator, Tensor

BackfillCriterion = Literal["cmc@1", "nearest_class_mean"]


@dataclass(frozen=True)
class BackfillCurve:
    """Search accuracy as a function of the fraction of items re-indexed.

    Attributes:
        fractions: Fractions re-indexed, from 0 to 1.
        accuracy: Search accuracy at each of them, a fraction.

    Example:
        >>> BackfillCurve(fractions=(0.0, 1.0), accuracy=(0.5, 0.75)).area
        0.625

    """

    fractions: tuple[float, ...]
    accuracy: tuple[float, ...]

    @property
    def area(self) -> float:
        r"""Area under the curve by the trapezoidal rule: mean accuracy if items are re-indexed at a constant rate.

        Raises:
            ValueError: There are fewer than two points, or the two tuples differ in length.

        Source: FastFill's backfilling metric, the expectation over a uniform fraction.

        Example:
            >>> BackfillCurve((0.0, 0.5, 1.0), (0.5, 0.75, 0.75)).area
            0.6875

        """
        points = list(zip(self.fractions, self.accuracy, strict=True))
        if len(points) < 2:
            raise ValueError(f"the area needs a curve of at least 2 points, got {len(points)}")
        return sum((b - a) * (low + high) / 2 for (a, low), (b, high) in pairwise(points))


def backfill_curve(
    query: Features,
    query_labels: Labels,
    stored: Features,
    fresh: Features,
    gallery_labels: Labels,
    order: Labels,
    steps: int = 10,
    criterion: BackfillCriterion = "cmc@1",
    *,
    exclude_self: SelfItems = False,
    chunk: int | None = None,
) -> BackfillCurve:
    r"""Return search accuracy while fresh features replace the stored features of a gallery.

    At step ``s`` of ``S`` the first :math:`\lfloor s M / S \rfloor` items of ``order`` are fresh, all others stored.
    For ``cmc@1`` all points share two matrix products: the best match of a query is the maximum over fresh items
    before the cut and stored items after it.

    Args:
        query: Query features by the current model, ``(Q, D)``.
        query_labels: Class ids of the queries, ``(Q,)``.
        stored: Gallery features as indexed, ``(N, D)``.
        fresh: Features of the same items by the current model, ``(N, D)``.
        gallery_labels: Class ids of the gallery, ``(N,)``.
        order: Items to re-index, first to last, ``(M,)`` without duplicates, usually all ``N``. Other items keep their
            stored features. Fractions refer to ``M``.
        steps: Number of points after the first; one per item if there are fewer items.
        criterion: Rule that decides the class of a query: nearest item or nearest class mean.
        exclude_self: Gallery items that the queries are and must not find, see
            :func:`~clsim.metrics.functional.retrieval.match_ranks`. Only for ``cmc@1``.
        chunk: Queries per block. The default holds 64 MiB of similarities to either gallery.

    Raises:
        ValueError: Shapes or types do not fit, ``order`` is empty, repeats an item or leaves the gallery, the
            criterion is unknown or cannot exclude self-matches, or features are not finite.

    Example:
        >>> stored, fresh = [[0.0, 1.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]
        >>> curve = backfill_curve([[1.0, 0.0], [0.0, 1.0]], [0, 1], stored, fresh, [0, 1], order=[0, 1])
        >>> curve.accuracy
        (0.0, 0.0, 1.0)

    """
    import torch

    query, query_labels = as_labeled(query, query_labels, "query")
    stored, gallery_labels = as_labeled(stored, gallery_labels, "stored")
    fresh, order = as_features(fresh, "fresh"), as_tensor(order, "order")
    if fresh.shape != stored.shape:
        raise ValueError(f"stored and fresh differ in shape: {tuple(stored.shape)} and {tuple(fresh.shape)}")
    device = stored.device
    fresh, order, gallery_labels = fresh.to(device), order.to(device), gallery_labels.to(device)
    order = _checked_order(order, len(stored))
    steps = as_count(steps, "steps")
    cuts = sorted({step * len(order) // steps for step in range(steps + 1)})
    if criterion == "cmc@1":
        self_items = find_self_items(query_labels.to(device), gallery_labels, exclude_self)
        columns, exclude_self = _reorder(order, self_items, len(stored))
        both = (
            similarity_blocks(
                query, query_labels, items, gallery_labels[columns], exclude_self=exclude_self, chunk=chunk
            )
            for items in (stored[columns], fresh[columns])
        )
        right = [_right_at_cuts(old, new, same, cuts) for (old, same), (new, _) in zip(*both, strict=True)]
        accuracy = (torch.stack(right).sum(dim=0).double() / len(query)).tolist()
    elif criterion == "nearest_class_mean":
        if exclude_self is not False:
            raise ValueError("nearest_class_mean cannot exclude the query itself; use cmc@1")
        accuracy = [
            nearest_class_mean_accuracy(query, query_labels, gallery, gallery_labels, chunk=chunk)
            for gallery in _galleries(stored.float(), fresh.float(), order, cuts)
        ]
    else:
        raise ValueError(f"criterion: expected 'cmc@1' or 'nearest_class_mean', got {criterion!r}")
    return BackfillCurve(tuple(cut / len(order) for cut in cuts), tuple(accuracy))


def random_order(items: int, generator: Generator) -> Tensor:
    """Return a random order of re-indexing, ``(N,)``: the baseline for other orders.

    Args:
        items: Number of items, ``N``.
        generator: Generator of the permutation.

    Raises:
        ValueError: The number of items is below 1.

    Example:
        >>> import torch
        >>> random_order(4, torch.Generator().manual_seed(0)).sort().values
        tensor([0, 1, 2, 3])

    """
    import torch

    items = as_count(items, "items")
    return torch.randperm(items, generator=generator, device=generator.device)


def best_first_order(stored: Features, gallery_labels: Labels, fresh_means: tuple[Labels, Features]) -> Tensor:
    """Return an order of re-indexing that starts with the items farthest from the current mean of their class.

    Needs no re-indexed item: the means may come from the items that the current model indexed itself.

    Args:
        stored: Gallery features as indexed, ``(N, D)``.
        gallery_labels: Class ids of the gallery, ``(N,)``.
        fresh_means: Classes ``(C,)`` and their means by the current model ``(C, D)``, as
            :func:`~clsim.metrics.class_means` returns them. Items of other classes get cosine 0.

    Returns:
        Item positions, ``(N,)``; ties keep gallery order.

    Raises:
        ValueError: Shapes or types do not fit, an input is empty, or features are not finite.

    Example:
        >>> import torch
        >>> stored = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> best_first_order(stored, torch.tensor([4, 4, 4]), (torch.tensor([4]), torch.tensor([[1.0, 0.0]])))
        tensor([1, 2, 0])

    """
    means = as_features(fresh_means[1], "fresh means")
    classes = as_labels(fresh_means[0], "fresh means", len(means))
    stored, gallery_labels = as_labeled(stored, gallery_labels, "stored")
    check_widths(stored, means)
    of_class = gallery_labels.to(stored.device)[:, None] == classes.to(stored.device)
    mean = unit_rows(means.to(stored.device), "fresh means")[of_class.long().argmax(dim=1)]
    # Exact in float64, so that equal items tie to the last bit.
    agreement = (unit_rows(stored, "stored").double() * mean.double()).sum(dim=1).where(of_class.any(dim=1), 0.0)
    return agreement.argsort(stable=True)


def _checked_order(order: Tensor, items: int) -> Tensor:
    if order.ndim != 1 or not len(order):
        raise ValueError(f"order: expected at least one item (M,), got shape {tuple(order.shape)}")
    order = as_labels(order, "order", len(order))
    if int(order.min()) < 0 or int(order.max()) >= items or int(order.bincount().max()) > 1:
        raise ValueError(f"order: expected distinct items from 0 to {items - 1}")
    return order


def _galleries(stored: Tensor, fresh: Tensor, order: Tensor, cuts: list[int]) -> Iterator[Tensor]:
    """Yield the gallery at each cut."""
    gallery = stored.clone()
    for start, end in pairwise([0, *cuts]):
        items = order[start:end]
        gallery[items] = fresh[items]
        yield gallery


def _reorder(order: Tensor, self_items: Tensor | None, items: int) -> tuple[Tensor, SelfItems]:
    """Return all items with those to re-index first, in their order, and the new positions of ``self_items``.

    Features are reordered before the products, so that the items between two cuts are a slice. Gathering columns of a
    block of similarities would take longer than the products.
    """
    import torch

    stay = torch.ones(items, dtype=torch.bool, device=order.device)
    stay[order] = False
    columns = torch.cat((order, stay.nonzero().squeeze(1)))
    if self_items is None:
        return columns, False
    places = columns.argsort()
    return columns, places[self_items.clamp_min(0)].where(self_items >= 0, -1)


def _right_at_cuts(stored: Tensor, fresh: Tensor, same: Tensor, cuts: list[int]) -> Tensor:
    """Return the number of queries whose nearest item is of their class at each cut, ``(cuts,)``.

    Args:
        stored: Similarities to the stored items, ``(q, N)``, those to re-index first and in their order.
        fresh: Similarities to the fresh items, ``(q, N)``.
        same: Mask of the items of the query's class, ``(q, N)``.
        cuts: Numbers of fresh items, ascending from 0 to ``M``.

    """
    own_class, other = (_best_at_cuts(stored, fresh, mask, cuts) for mask in (same, ~same))
    return (own_class > other).sum(dim=0)


def _best_at_cuts(stored: Tensor, fresh: Tensor, mask: Tensor, cuts: list[int]) -> Tensor:
    """Return the greatest similarity among masked items at each cut, ``(q, cuts)``; minus infinity without one."""
    import torch

    nothing = -float("inf")
    stored, fresh = stored.where(mask, nothing), fresh.where(mask, nothing)
    before = after = torch.full_like(stored[:, :1], nothing)
    if stored.shape[1] > cuts[-1]:
        after = stored[:, cuts[-1] :].amax(dim=1, keepdim=True)
    pieces = [slice(start, end) for start, end in pairwise(cuts)]
    before = torch.cat([before, *(fresh[:, piece].amax(dim=1, keepdim=True) for piece in pieces)], dim=1)
    after = torch.cat([*(stored[:, piece].amax(dim=1, keepdim=True) for piece in pieces), after], dim=1)
    fresh_best, stored_best = before.cummax(dim=1).values, after.flip(1).cummax(dim=1).values.flip(1)
    return fresh_best.maximum(stored_best)
