"""Does search find the right class? Features and labels in, a fraction out.

All features are compared by cosine. A similarity depends on nothing but its two vectors
(see :mod:`.similarity`), and two rules hold throughout, so that no figure depends on the order of the gallery
or on how much is held at once. An item of another class that is as similar as the best of the query's own class counts
as ahead of it. A query whose class the gallery does not hold counts as answered wrongly, so that the set of queries
does not change from one model to the next; with ``unmatched="skip"`` it is left out, as benchmarks of person
re-identification do.

Features and labels may be tensors, numpy arrays or lists; labels are integers, and features finite. Imports torch where
it computes, not where it is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum
from typing import TYPE_CHECKING

from clsim.metrics.functional.checks import (
    Features,
    Labels,
    Own,
    Unmatched,
    as_count,
    as_counts,
    as_labelled,
    check_unmatched,
    check_widths,
    mean_of_queries,
)
from clsim.metrics.functional.search import LARGE, nearest
from clsim.metrics.functional.similarity import count_true, own_items, row_blocks, similarity_blocks, unit_rows

if TYPE_CHECKING:
    from torch import Tensor

NO_MATCH = 2**63 - 1
"""Rank of a query without an item of its class."""
NEAR = 1000
"""From so many on, the nearest are not worth searching: all of a large gallery are ranked."""


def match_ranks(
    query: Features,
    query_labels: Labels,
    gallery: Features,
    gallery_labels: Labels,
    *,
    exclude_self: Own = False,
    chunk: int | None = None,
) -> Tensor:
    r"""Rank of the first gallery item of each query's class.

    .. math:: r_i = 1 + \#\{n : y_n \ne y_i,\ s_{in} \ge \max_{m : y_m = y_i} s_{im}\}

    Args:
        query: features ``(Q, D)``.
        query_labels: class ids ``(Q,)``.
        gallery: features ``(N, D)``.
        gallery_labels: class ids ``(N,)``.
        exclude_self: ``True`` where query ``i`` is gallery item ``i`` and must not find itself; a tensor ``(Q,)``
            where query ``i`` is gallery item ``exclude_self[i]`` (negative: none of them), or ``(Q, M)`` where it is
            each of several.
        chunk: queries at a time; by default as many as need 64 MiB of similarities.

    Returns:
        ``(Q,)`` int64 from 1, on the gallery's device; :data:`NO_MATCH` without an item of the class.

    Raises:
        ValueError: sizes do not fit together, or there is nothing to compare.

    """
    import torch

    ranks = []
    for similarity, same in similarity_blocks(
        query, query_labels, gallery, gallery_labels, exclude_self=exclude_self, chunk=chunk
    ):
        own, matches = _matches(similarity, same)
        if not own.shape[1]:
            ranks.append(torch.full_like(matches, NO_MATCH))
            continue
        best = own.amax(dim=1, keepdim=True)
        ahead = count_true(similarity >= best) - count_true(own >= best)
        ranks.append((ahead + 1).where(matches > 0, NO_MATCH))
    return torch.cat(ranks)


def nearest_correct(
    query: Features,
    query_labels: Labels,
    gallery: Features,
    gallery_labels: Labels,
    *,
    exclude_self: Own = False,
    chunk: int | None = None,
) -> Tensor:
    """Whether each query's nearest gallery item is of its class, ``(Q,)`` bool.

    The arguments are those of :func:`match_ranks`.
    """
    return match_ranks(query, query_labels, gallery, gallery_labels, exclude_self=exclude_self, chunk=chunk) == 1


def cmc(
    query: Features,
    query_labels: Labels,
    gallery: Features,
    gallery_labels: Labels,
    k: Sequence[int] = (1, 5),
    exclude_self: Own = False,
    *,
    unmatched: Unmatched = "wrong",
    chunk: int | None = None,
) -> dict[int, float]:
    """CMC@k: share of queries with an item of their class among the k nearest of the gallery.

    The other arguments are those of :func:`match_ranks`. In a gallery of more than a million the nearest are searched
    (:func:`~clsim.metrics.nearest`), which gives the same figures.

    Args:
        k: how many of the nearest count, each at least 1.
        unmatched: Queries without an item of their class count as ``wrong``, or are left out, ``skip``.

    Returns:
        A fraction for every ``k``.

    Raises:
        ValueError: a ``k`` below 1, sizes do not fit together, there is nothing to compare, features are not finite,
            or labels are no integers.

    Source: openBCT and ml-fct, ``cmc`` ("cumulative matching characteristics").

    Example:
        >>> import torch
        >>> gallery = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
        >>> cmc(torch.tensor([[1.0, 0.1]]), torch.tensor([1]), gallery, torch.tensor([0, 1, 2]), k=(1, 2))
        {1: 0.0, 2: 1.0}

    """
    counts = as_counts(k)
    check_unmatched(unmatched)
    query, query_labels = as_labelled(query, query_labels, "query")
    gallery, gallery_labels = as_labelled(gallery, gallery_labels, "gallery")
    rank = _ranks_of_nearest if len(gallery) > LARGE and max(counts) < NEAR else _ranks_of_all
    ranks, matched = rank(query, query_labels, gallery, gallery_labels, max(counts), exclude_self, chunk)
    return {
        count: mean_of_queries(int(((ranks <= count) & (ranks != NO_MATCH)).sum()), matched, len(query), unmatched)
        for count in counts
    }


def mean_average_precision(
    query: Features,
    query_labels: Labels,
    gallery: Features,
    gallery_labels: Labels,
    exclude_self: Own = False,
    *,
    unmatched: Unmatched = "wrong",
    chunk: int | None = None,
) -> float:
    r"""mAP: precision at every item of the query's class, averaged over these, then over the queries.

    .. math:: AP_i = \frac{1}{|P_i|} \sum_{p \in P_i}
        \frac{\#\{m \in P_i : s_{im} \ge s_{ip}\}}{\#\{n : s_{in} \ge s_{ip}\}}, \quad P_i = \{p : y_p = y_i\}

    Equally similar items share a place, as in scikit-learn's ``average_precision_score``, with which this agrees.
    :math:`AP_i = 0` where :math:`P_i` is empty. The arguments are those of :func:`match_ranks`.

    Args:
        unmatched: Queries without an item of their class count as 0, ``wrong``, or are left out, ``skip``.

    Raises:
        ValueError: sizes do not fit together, there is nothing to compare, features are not finite, or labels are no
            integers.

    """
    check_unmatched(unmatched)
    precisions: list[float] = []
    matched = 0
    for similarity, same in similarity_blocks(
        query, query_labels, gallery, gallery_labels, exclude_self=exclude_self, chunk=chunk
    ):
        precision, matches = _average_precision(similarity, same)
        precisions += precision.tolist()
        matched += int((matches > 0).sum())
    return mean_of_queries(fsum(precisions), matched, len(precisions), unmatched)


def class_means(features: Features, labels: Labels) -> tuple[Tensor, Tensor]:
    r"""One template a class, :math:`t_c = \bar f_c / \lVert \bar f_c \rVert`, the mean of unit features scaled to 1.

    Args:
        features: ``(N, D)``; each is scaled to length 1 before it is averaged.
        labels: class ids ``(N,)``.

    Returns:
        The classes that occur, ``(C,)`` rising, and their templates, ``(C, D)`` float32.

    Raises:
        ValueError: sizes do not fit together, there are no features, they are not finite, or labels are no integers.

    """
    import torch

    features, labels = as_labelled(features, labels, "gallery")
    classes, index = torch.unique(labels.to(features.device), return_inverse=True)
    units = unit_rows(features, "gallery").double()  # added in float64 they are exact, in any order
    sums = units.new_zeros(len(classes), units.shape[1]).index_add_(0, index, units)
    return classes, unit_rows(sums)


def nearest_class_mean_correct(
    query: Features, query_labels: Labels, gallery: Features, gallery_labels: Labels, *, chunk: int | None = None
) -> Tensor:
    """Whether each query is nearest to the mean of its own class, ``(Q,)`` bool.

    With the :func:`class_means` of a gallery at hand, ``nearest_correct(query, query_labels, means, classes)`` is
    the same without the gallery.

    Args:
        query: features ``(Q, D)``.
        query_labels: class ids ``(Q,)``.
        gallery: features ``(N, D)``.
        gallery_labels: class ids ``(N,)``.
        chunk: queries at a time.

    Raises:
        ValueError: sizes do not fit together, or there is nothing to compare.

    """
    classes, means = class_means(gallery, gallery_labels)
    return nearest_correct(query, query_labels, means, classes, chunk=chunk)


def nearest_class_mean_accuracy(
    query: Features,
    query_labels: Labels,
    gallery: Features,
    gallery_labels: Labels,
    *,
    unmatched: Unmatched = "wrong",
    chunk: int | None = None,
) -> float:
    """Share of queries nearest to the mean of their own class: the published 1:N identification protocol.

    Gallery features are scaled to length 1, averaged over each class and scaled again; the largest inner product
    with a query names its class. The other arguments are those of :func:`nearest_class_mean_correct`.

    Args:
        unmatched: Queries of a class that the gallery lacks count as ``wrong``, or are left out, ``skip``.

    Source: IAM-CL2R (arXiv 2405.02581), ``performance_metrics.py:27-84`` of the authors' code.

    Example:
        >>> import torch
        >>> gallery, labels = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 1, 1])
        >>> nearest_class_mean_accuracy(torch.tensor([[1.0, 0.2], [0.9, 0.5]]), torch.tensor([0, 1]), gallery, labels)
        0.5

    """
    check_unmatched(unmatched)
    classes, means = class_means(gallery, gallery_labels)
    ranks = match_ranks(query, query_labels, means, classes, chunk=chunk)
    return mean_of_queries(int((ranks == 1).sum()), int((ranks != NO_MATCH).sum()), len(ranks), unmatched)


def _ranks_of_all(
    query: Tensor,
    query_labels: Tensor,
    gallery: Tensor,
    gallery_labels: Tensor,
    most: int,
    exclude_self: Own,
    chunk: int | None,
) -> tuple[Tensor, int]:
    """Return :func:`match_ranks` and the number of queries that have a match."""
    ranks = match_ranks(query, query_labels, gallery, gallery_labels, exclude_self=exclude_self, chunk=chunk)
    return ranks, int((ranks != NO_MATCH).sum())


def _ranks_of_nearest(
    query: Tensor,
    query_labels: Tensor,
    gallery: Tensor,
    gallery_labels: Tensor,
    most: int,
    exclude_self: Own,
    chunk: int | None,
) -> tuple[Tensor, int]:
    """Return the same from the nearest alone; a rank above ``most`` is some number above ``most``."""
    import torch

    check_widths(query, gallery)
    if chunk is not None:
        as_count(chunk, "chunk counts queries and is at least 1")
    device = query.device
    gallery_labels, query_labels = gallery_labels.to(device), query_labels.to(device)
    own = own_items(query_labels, gallery_labels, exclude_self)
    own = torch.full_like(query_labels[:, None], -1) if own is None else own
    listed = min(most + own.shape[1], len(gallery))
    ranks = []
    for rows in row_blocks(len(query), listed, chunk):
        similarity, found = nearest(query[rows], gallery, listed)
        other = (found[:, :, None] != own[rows, None, :]).all(dim=2)
        same = (gallery_labels[found] == query_labels[rows, None]) & other
        best = similarity.where(same, -float("inf")).amax(dim=1, keepdim=True)
        ahead = ((similarity >= best) & other & ~same).sum(dim=1)
        rank = (ahead + 1).where(same.any(dim=1), NO_MATCH)
        # Items that are as similar as the last one listed may be missing from the list.
        unsure = (best[:, 0] == similarity[:, -1]) & (rank <= most)
        if listed < len(gallery) and bool(unsure.any()):
            asked = unsure.nonzero().squeeze(1) + rows.start
            rank[unsure] = match_ranks(
                query[asked], query_labels[asked], gallery, gallery_labels, exclude_self=own[asked]
            ).to(device)
        ranks.append(rank)
    return torch.cat(ranks), _matched(query_labels, gallery_labels, own)


def _matched(query_labels: Tensor, gallery_labels: Tensor, own: Tensor) -> int:
    """Return the number of queries that have an item of their class beside themselves."""
    import torch

    classes, items = gallery_labels.unique(return_counts=True)
    place = torch.searchsorted(classes, query_labels).clamp_max(len(classes) - 1)
    there = items[place].where(classes[place] == query_labels, 0)
    themselves = ((gallery_labels[own.clamp_min(0)] == query_labels[:, None]) & (own >= 0)).sum(dim=1)
    return int((there > themselves).sum())


def _matches(similarity: Tensor, same: Tensor) -> tuple[Tensor, Tensor]:
    """Return the similarities to each query's own class, ``(q, most)`` with minus infinity behind, and their number."""
    import torch

    matches = count_true(same)
    most = int(matches.max())
    own = similarity.new_full((len(similarity), most), -float("inf"))
    own[torch.arange(most, device=own.device) < matches[:, None]] = similarity[same]
    return own, matches


def _average_precision(similarity: Tensor, same: Tensor) -> tuple[Tensor, Tensor]:
    """Return the average precision of each query, ``(q,)`` float64, and its matches; overwrite ``similarity``.

    A place is a count of items at least as similar, which two sorted rows give by bisection.
    """
    import torch

    own, matches = _matches(similarity, same)
    own, items = _ascending(own), similarity.shape[1]
    most = own.shape[1]
    found = most - torch.searchsorted(own, own)
    place = items - torch.searchsorted(_ascending(similarity), own)
    precision = (found.double() / place).where(own > -float("inf"), 0.0)  # rows with fewer matches are padded
    return _sums(precision) / matches.clamp_min(1), matches


def _sums(fractions: Tensor) -> Tensor:
    """Return the sum of each row of fractions, the same in any order and with any number of zeros beside them."""
    coarse = (fractions * 2.0**26).round() / 2.0**26
    fine = ((fractions - coarse) * 2.0**53).round() / 2.0**53
    return coarse.sum(dim=1) + fine.sum(dim=1)


def _ascending(rows: Tensor) -> Tensor:
    """Each row sorted; on the CPU in place, by numpy, whose sort takes a fortieth of torch's time."""
    if rows.device.type != "cpu":
        return rows.sort(dim=1).values
    rows.numpy().sort(axis=1)
    return rows
