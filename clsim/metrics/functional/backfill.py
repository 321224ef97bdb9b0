"""How search improves while a gallery is re-indexed, item by item, and in which order that is best done.

Imports torch where it computes, not where it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from clsim.metrics.functional.checks import (
    Features,
    Labels,
    Own,
    as_count,
    as_features,
    as_labelled,
    as_labels,
    as_tensor,
    check_widths,
)
from clsim.metrics.functional.retrieval import nearest_class_mean_accuracy
from clsim.metrics.functional.similarity import own_items, similarity_blocks, unit_rows

if TYPE_CHECKING:
    from torch import Generator, Tensor

Criterion = Literal["cmc@1", "nearest_class_mean"]


@dataclass(frozen=True)
class BackfillCurve:
    """Search accuracy against the share of items re-indexed, all as fractions; from nothing to everything."""

    fractions: tuple[float, ...]
    accuracy: tuple[float, ...]

    @property
    def area(self) -> float:
        r"""Area under the curve by trapezoids: mean accuracy if re-indexing goes at an even pace.

        Raises:
            ValueError: fewer than two points, or more of the one than of the other.

        Source: FastFill's backfilling metric, the expectation over a uniform share.

        Example:
            >>> BackfillCurve((0.0, 0.5, 1.0), (0.5, 0.75, 0.75)).area
            0.6875

        """
        points = list(zip(self.fractions, self.accuracy, strict=True))
        if len(points) < 2:
            raise ValueError(f"an area needs a curve of at least 2 points; got {len(points)}")
        return sum((b - a) * (low + high) / 2 for (a, low), (b, high) in pairwise(points))


def backfill_curve(
    query: Features,
    query_labels: Labels,
    stored: Features,
    fresh: Features,
    gallery_labels: Labels,
    order: Labels,
    steps: int = 10,
    criterion: Criterion = "cmc@1",
    *,
    exclude_self: Own = False,
    chunk: int | None = None,
) -> BackfillCurve:
    r"""Search accuracy while the stored features of a gallery give way to fresh ones.

    At step ``s`` of ``S`` the first :math:`\lfloor s M / S \rfloor` items of ``order`` are fresh and all others
    stored. For ``cmc@1`` every point comes from the same two matrix products: a query's best match is the greater
    of a maximum over fresh items up to the cut and one over stored items from there on.

    Args:
        query: features by the present model, ``(Q, D)``.
        query_labels: class ids ``(Q,)``.
        stored: gallery as it was enrolled, ``(N, D)``.
        fresh: the same items by the present model, ``(N, D)``.
        gallery_labels: class ids ``(N,)``.
        order: indices of the items to re-index, ``(M,)``, first to last, none twice; usually all ``N``. Others stay
            as they are stored, and fractions are of ``M``.
        steps: points of the curve after the first; with fewer items than that, one for every item.
        criterion: what names the class of a query: the nearest item, or the nearest mean of a class.
        exclude_self: where queries are gallery items, keeps each from finding itself, see
            :func:`~clsim.metrics.functional.retrieval.match_ranks`; for ``cmc@1`` only.
        chunk: queries at a time; by default as many as need 64 MiB of similarities to either gallery.

    Raises:
        ValueError: sizes do not fit together, there is nothing to re-index, ``order`` repeats an item or leaves the
            gallery, the criterion is neither of the two or cannot exclude self-matches, features are not finite, or
            labels are no integers.

    """
    import torch

    query, query_labels = as_labelled(query, query_labels, "query")
    stored, gallery_labels = as_labelled(stored, gallery_labels, "stored")
    fresh, order = as_features(fresh, "fresh"), as_tensor(order, "order")
    if fresh.shape != stored.shape:
        raise ValueError(f"stored {tuple(stored.shape)} and fresh {tuple(fresh.shape)} features are of other items")
    device = stored.device
    fresh, order, gallery_labels = fresh.to(device), order.to(device), gallery_labels.to(device)
    order = _checked_order(order, len(stored))
    steps = as_count(steps, "a backfill curve has at least 1 step")
    cuts = sorted({step * len(order) // steps for step in range(steps + 1)})
    if criterion == "cmc@1":
        columns, own = _in_order(order, own_items(query_labels.to(device), gallery_labels, exclude_self), len(stored))
        both = (
            similarity_blocks(query, query_labels, items, gallery_labels[columns], exclude_self=own, chunk=chunk)
            for items in (stored[columns], fresh[columns])
        )
        right = [_right_at_cuts(old, new, same, cuts) for (old, same), (new, _) in zip(*both, strict=True)]
        accuracy = (torch.stack(right).sum(dim=0).double() / len(query)).tolist()
    elif criterion == "nearest_class_mean":
        if exclude_self is not False:
            raise ValueError("a class mean cannot leave out the query itself; use cmc@1")
        accuracy = [
            nearest_class_mean_accuracy(query, query_labels, gallery, gallery_labels, chunk=chunk)
            for gallery in _galleries(stored.float(), fresh.float(), order, cuts)
        ]
    else:
        raise ValueError(f"criterion must be 'cmc@1' or 'nearest_class_mean'; got {criterion!r}")
    return BackfillCurve(tuple(cut / len(order) for cut in cuts), tuple(accuracy))


def random_order(items: int, generator: Generator) -> Tensor:
    """A random order of re-indexing, ``(N,)``: the curve that any other order has to beat.

    Raises:
        ValueError: there is no item.
    """
    import torch

    items = as_count(items, "an order is of at least 1 item")
    return torch.randperm(items, generator=generator, device=generator.device)


def best_first_order(stored: Features, gallery_labels: Labels, fresh_means: tuple[Labels, Features]) -> Tensor:
    """Order of re-indexing by need: items that agree least with what the present model makes of their class first.

    Needs no item re-indexed: the means may come from items that the present model enrolled itself.

    Args:
        stored: gallery as it was enrolled, ``(N, D)``.
        gallery_labels: class ids ``(N,)``.
        fresh_means: classes ``(C,)`` and their means by the present model ``(C, D)``, as
            :func:`~clsim.metrics.class_means` returns them. An item of a class that is not among them
            counts as agreeing neither well nor badly, cosine 0.

    Returns:
        Indices ``(N,)``; the gallery's order among equals.

    Raises:
        ValueError: sizes do not fit together, there are no features, they are not finite, or labels are no integers.

    Example:
        >>> import torch
        >>> stored = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> best_first_order(stored, torch.tensor([4, 4, 4]), (torch.tensor([4]), torch.tensor([[1.0, 0.0]])))
        tensor([1, 2, 0])

    """
    means = as_features(fresh_means[1], "fresh means")
    classes = as_labels(fresh_means[0], "fresh means", len(means))
    stored, gallery_labels = as_labelled(stored, gallery_labels, "stored")
    check_widths(stored, means)
    own = gallery_labels.to(stored.device)[:, None] == classes.to(stored.device)
    mean = unit_rows(means.to(stored.device), "fresh means")[own.long().argmax(dim=1)]
    # Exact in float64, so that equal items agree to the last bit.
    agreement = (unit_rows(stored, "stored").double() * mean.double()).sum(dim=1).where(own.any(dim=1), 0.0)
    return agreement.argsort(stable=True)


def _checked_order(order: Tensor, items: int) -> Tensor:
    if order.ndim != 1 or not len(order):
        raise ValueError(f"the order of re-indexing is a row of at least one item; got {tuple(order.shape)}")
    order = as_labels(order, "order", len(order))
    if int(order.min()) < 0 or int(order.max()) >= items or int(order.bincount().max()) > 1:
        raise ValueError(f"the order of re-indexing names items 0 to {items - 1}, none of them twice")
    return order


def _galleries(stored: Tensor, fresh: Tensor, order: Tensor, cuts: list[int]) -> Iterator[Tensor]:
    """The gallery at every cut."""
    gallery = stored.clone()
    for start, end in pairwise([0, *cuts]):
        items = order[start:end]
        gallery[items] = fresh[items]
        yield gallery


def _in_order(order: Tensor, own: Tensor | None, items: int) -> tuple[Tensor, Own]:
    """All items, those to re-index first and in their order, and the new place of each query's own.

    Features are put in order before they are compared, so that what lies between two cuts is a slice; gathering
    columns of a block of similarities takes longer than the matrix products.
    """
    import torch

    stay = torch.ones(items, dtype=torch.bool, device=order.device)
    stay[order] = False
    columns = torch.cat((order, stay.nonzero().squeeze(1)))
    if own is None:
        return columns, False
    places = columns.argsort()
    return columns, places[own.clamp_min(0)].where(own >= 0, -1)


def _right_at_cuts(stored: Tensor, fresh: Tensor, same: Tensor, cuts: list[int]) -> Tensor:
    """Queries whose nearest item is of their class, at every cut, ``(cuts,)``.

    Args:
        stored: similarities to the stored items, ``(q, N)``, those to re-index first and in their order.
        fresh: similarities to the fresh ones, ``(q, N)``.
        same: items of the query's class, ``(q, N)``.
        cuts: how many items are fresh, rising from 0 to ``M``.

    """
    own, other = (_best_at_cuts(stored, fresh, mask, cuts) for mask in (same, ~same))
    return (own > other).sum(dim=0)


def _best_at_cuts(stored: Tensor, fresh: Tensor, mask: Tensor, cuts: list[int]) -> Tensor:
    """Greatest similarity among masked items at every cut, ``(q, cuts)``; minus infinity without one."""
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
