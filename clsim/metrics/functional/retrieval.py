"""Ranks of the first correct item: features and labels in, ranks and fractions out.

Features are compared by cosine, and a similarity depends on its two vectors alone (see :mod:`.similarity`). Two rules
keep every figure independent of gallery order and block size. An item of another class that ties with the best item
of the query's class ranks ahead of it. A query whose class is not in the gallery counts as wrong, so that all models
are scored on the same queries; ``unmatched="skip"`` leaves it out, as benchmarks of person re-identification do.

Features and labels may be tensors, numpy arrays or lists. Labels are integers, features are finite. Imports torch only
when it computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from clsim.metrics.functional.checks import (
    Features,
    Labels,
    SelfItems,
    Unmatched,
    as_count,
    as_counts,
    as_labeled,
    check_unmatched,
    check_widths,
    mean_of_queries,
)
from clsim.metrics.functional.search import LARGE, nearest
from clsim.metrics.functional.similarity import count_true, find_self_items, row_blocks, similarity_blocks

if TYPE_CHECKING:
    from torch import Tensor

NO_MATCH = 2**63 - 1
"""Rank of a query whose class is not in the gallery."""
NEAR = 1000
"""Cut-off rank from which ranking a large gallery is cheaper than searching it."""


def match_ranks(
    query: Features,
    query_labels: Labels,
    gallery: Features,
    gallery_labels: Labels,
    *,
    exclude_self: SelfItems = False,
    chunk: int | None = None,
) -> Tensor:
    r"""Return the rank of the first gallery item of each query's class.

    .. math:: r_i = 1 + \#\{n : y_n \ne y_i,\ s_{in} \ge \max_{m : y_m = y_i} s_{im}\}

    Args:
        query: Query features, ``(Q, D)``.
        query_labels: Class ids of the queries, ``(Q,)``.
        gallery: Gallery features, ``(N, D)``.
        gallery_labels: Class ids of the gallery, ``(N,)``.
        exclude_self: Gallery items that the queries are and must not find. ``True`` if query ``i`` is item ``i``; a
            tensor ``(Q,)`` if query ``i`` is item ``exclude_self[i]``, negative for none; ``(Q, M)`` if it is each of
            several.
        chunk: Queries per block. The default holds 64 MiB of similarities.

    Returns:
        Ranks from 1, ``(Q,)`` int64 on the gallery's device; :data:`NO_MATCH` without an item of the class.

    Raises:
        ValueError: Shapes or types do not fit, an input is empty, or features are not finite.

    Example:
        >>> gallery, labels = [[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], [0, 1, 1]
        >>> match_ranks([[1.0, 0.1], [0.0, 1.0]], [1, 1], gallery, labels)
        tensor([2, 1])

    """
    import torch

    ranks = []
    for similarity, same in similarity_blocks(
        query, query_labels, gallery, gallery_labels, exclude_self=exclude_self, chunk=chunk
    ):
        own_class, matches = own_class_similarities(similarity, same)
        if not own_class.shape[1]:
            ranks.append(torch.full_like(matches, NO_MATCH))
            continue
        best = own_class.amax(dim=1, keepdim=True)
        ahead = count_true(similarity >= best) - count_true(own_class >= best)
        ranks.append((ahead + 1).where(matches > 0, NO_MATCH))
    return torch.cat(ranks)


def nearest_correct(
    query: Features,
    query_labels: Labels,
    gallery: Features,
    gallery_labels: Labels,
    *,
    exclude_self: SelfItems = False,
    chunk: int | None = None,
) -> Tensor:
    """Return whether each query's nearest gallery item is of its class, ``(Q,)`` bool.

    Takes the arguments of :func:`match_ranks`.

    Example:
        >>> nearest_correct([[1.0, 0.1], [0.0, 1.0]], [1, 1], [[1.0, 0.0], [0.6, 0.8]], [0, 1])
        tensor([False,  True])

    """
    return match_ranks(query, query_labels, gallery, gallery_labels, exclude_self=exclude_self, chunk=chunk) == 1


def cmc(
    query: Features,
    query_labels: Labels,
    gallery: Features,
    gallery_labels: Labels,
    k: Sequence[int] = (1, 5),
    exclude_self: SelfItems = False,
    *,
    unmatched: Unmatched = "wrong",
    chunk: int | None = None,
) -> dict[int, float]:
    """Return CMC@k: fraction of queries with an item of their class among the k nearest gallery items.

    Takes the other arguments of :func:`match_ranks`. A gallery of more than a million items is searched by
    :func:`~clsim.metrics.nearest`, with equal results.

    Args:
        k: Cut-off ranks, each at least 1.
        unmatched: Treatment of queries whose class is not in the gallery: count as ``wrong``, or ``skip``.

    Returns:
        Fraction for each ``k``.

    Raises:
        ValueError: A ``k`` is below 1, shapes or types do not fit, an input is empty, or features are not finite.

    Source: ``cmc`` of openBCT and ml-fct ("cumulative matching characteristics").

    Example:
        >>> import torch
        >>> gallery = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
        >>> cmc(torch.tensor([[1.0, 0.1]]), torch.tensor([1]), gallery, torch.tensor([0, 1, 2]), k=(1, 2))
        {1: 0.0, 2: 1.0}

    """
    counts = as_counts(k)
    check_unmatched(unmatched)
    query, query_labels = as_labeled(query, query_labels, "query")
    gallery, gallery_labels = as_labeled(gallery, gallery_labels, "gallery")
    rank = _ranks_by_search if len(gallery) > LARGE and max(counts) < NEAR else _ranks_of_all
    ranks, matched = rank(query, query_labels, gallery, gallery_labels, max(counts), exclude_self, chunk)
    return {
        count: mean_of_queries(int(((ranks <= count) & (ranks != NO_MATCH)).sum()), matched, len(query), unmatched)
        for count in counts
    }


def own_class_similarities(similarity: Tensor, same: Tensor) -> tuple[Tensor, Tensor]:
    """Return the similarities to each query's class, and their number.

    Args:
        similarity: Similarities of queries to the gallery, ``(q, N)``.
        same: Mask of the items of each query's class, ``(q, N)``.

    Returns:
        ``(q, most)`` padded with minus infinity, and ``(q,)``.

    Example:
        >>> import torch
        >>> own_class_similarities(torch.tensor([[0.5, 0.25]]), torch.tensor([[False, True]]))
        (tensor([[0.2500]]), tensor([1]))

    """
    import torch

    matches = count_true(same)
    most = int(matches.max())
    own_class = similarity.new_full((len(similarity), most), -float("inf"))
    own_class[torch.arange(most, device=own_class.device) < matches[:, None]] = similarity[same]
    return own_class, matches


def _ranks_of_all(
    query: Tensor,
    query_labels: Tensor,
    gallery: Tensor,
    gallery_labels: Tensor,
    most: int,
    exclude_self: SelfItems,
    chunk: int | None,
) -> tuple[Tensor, int]:
    """Return :func:`match_ranks` and the number of queries with a match."""
    ranks = match_ranks(query, query_labels, gallery, gallery_labels, exclude_self=exclude_self, chunk=chunk)
    return ranks, int((ranks != NO_MATCH).sum())


def _ranks_by_search(
    query: Tensor,
    query_labels: Tensor,
    gallery: Tensor,
    gallery_labels: Tensor,
    most: int,
    exclude_self: SelfItems,
    chunk: int | None,
) -> tuple[Tensor, int]:
    """Return the same from the nearest items alone. Ranks above ``most`` are only known to exceed it."""
    import torch

    check_widths(query, gallery)
    if chunk is not None:
        as_count(chunk, "chunk")
    device = query.device
    gallery_labels, query_labels = gallery_labels.to(device), query_labels.to(device)
    self_items = find_self_items(query_labels, gallery_labels, exclude_self)
    self_items = torch.full_like(query_labels[:, None], -1) if self_items is None else self_items
    listed = min(most + self_items.shape[1], len(gallery))
    ranks = []
    for rows in row_blocks(len(query), listed, chunk):
        similarity, found = nearest(query[rows], gallery, listed)
        other = (found[:, :, None] != self_items[rows, None, :]).all(dim=2)
        same = (gallery_labels[found] == query_labels[rows, None]) & other
        best = similarity.where(same, -float("inf")).amax(dim=1, keepdim=True)
        ahead = ((similarity >= best) & other & ~same).sum(dim=1)
        rank = (ahead + 1).where(same.any(dim=1), NO_MATCH)
        # Items that tie with the last one listed may be missing from the list.
        unsure = (best[:, 0] == similarity[:, -1]) & (rank <= most)
        if listed < len(gallery) and bool(unsure.any()):
            again = unsure.nonzero().squeeze(1) + rows.start
            rank[unsure] = match_ranks(
                query[again], query_labels[again], gallery, gallery_labels, exclude_self=self_items[again]
            ).to(device)
        ranks.append(rank)
    return torch.cat(ranks), _count_matched(query_labels, gallery_labels, self_items)


def _count_matched(query_labels: Tensor, gallery_labels: Tensor, self_items: Tensor) -> int:
    """Return the number of queries with an item of their class other than themselves."""
    import torch

    classes, sizes = gallery_labels.unique(return_counts=True)
    place = torch.searchsorted(classes, query_labels).clamp_max(len(classes) - 1)
    of_class = sizes[place].where(classes[place] == query_labels, 0)
    themselves = ((gallery_labels[self_items.clamp_min(0)] == query_labels[:, None]) & (self_items >= 0)).sum(dim=1)
    return int((of_class > themselves).sum())
