"""Does search find the right class? Features and labels in, a fraction out.

All features are compared by cosine, in float32. Two rules hold throughout, so that no figure depends on the order of
the gallery: an item of another class that is as similar as the best of the query's own class counts as ahead of it,
and a query whose class the gallery does not hold counts as answered wrongly (benchmarks of person re-identification
leave such queries out; here the set of queries must not change from one model to the next).

Imports torch where it computes, not where it is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from clsim.metrics.search import LARGE, nearest
from clsim.metrics.similarity import check_features, own_items, row_blocks, similarity_blocks, unit_rows

if TYPE_CHECKING:
    from torch import Tensor

NO_MATCH = 2**63 - 1
"""Rank of a query without an item of its class."""
NEAR = 1000
"""From so many on, the nearest are not worth searching: all of a large gallery are ranked."""


def match_ranks(
    query: Tensor,
    query_labels: Tensor,
    gallery: Tensor,
    gallery_labels: Tensor,
    *,
    exclude_self: bool | Tensor = False,
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
            where query ``i`` is gallery item ``exclude_self[i]`` (negative: none of them).
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
        best = similarity.where(same, -float("inf")).amax(dim=1, keepdim=True)
        ahead = ((similarity >= best) & ~same).sum(dim=1)
        ranks.append((ahead + 1).where(same.any(dim=1), NO_MATCH))
    return torch.cat(ranks)


def nearest_correct(
    query: Tensor,
    query_labels: Tensor,
    gallery: Tensor,
    gallery_labels: Tensor,
    *,
    exclude_self: bool | Tensor = False,
    chunk: int | None = None,
) -> Tensor:
    """Whether each query's nearest gallery item is of its class, ``(Q,)`` bool.

    The arguments are those of :func:`match_ranks`.
    """
    return match_ranks(query, query_labels, gallery, gallery_labels, exclude_self=exclude_self, chunk=chunk) == 1


def cmc(
    query: Tensor,
    query_labels: Tensor,
    gallery: Tensor,
    gallery_labels: Tensor,
    k: Sequence[int] = (1, 5),
    exclude_self: bool | Tensor = False,
    *,
    chunk: int | None = None,
) -> dict[int, float]:
    """CMC@k: share of queries with an item of their class among the k nearest of the gallery.

    The other arguments are those of :func:`match_ranks`. In a gallery of more than a million the nearest are searched
    (:func:`~clsim.metrics.search.nearest`) and the others are not looked at; items that are equally similar to the
    last bit then come in the order in which they are found.

    Args:
        k: how many of the nearest count, each at least 1.

    Returns:
        A fraction for every ``k``.

    Raises:
        ValueError: a ``k`` below 1, sizes do not fit together, or there is nothing to compare.

    Source: openBCT and ml-fct, ``cmc`` ("cumulative matching characteristics").

    Example:
        >>> import torch
        >>> gallery = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
        >>> cmc(torch.tensor([[1.0, 0.1]]), torch.tensor([1]), gallery, torch.tensor([0, 1, 2]), k=(1, 2))
        {1: 0.0, 2: 1.0}

    """
    if any(count < 1 for count in k):
        raise ValueError(f"k counts gallery items from 1; got {list(k)}")
    if len(gallery) > LARGE and max(k) < NEAR:
        check_features(query, query_labels, "query")
        check_features(gallery, gallery_labels, "gallery")
        return _cmc_of_nearest(query, query_labels, gallery, gallery_labels, k, exclude_self)
    ranks = match_ranks(query, query_labels, gallery, gallery_labels, exclude_self=exclude_self, chunk=chunk)
    return {count: int(((ranks <= count) & (ranks != NO_MATCH)).sum()) / len(ranks) for count in k}


def mean_average_precision(
    query: Tensor,
    query_labels: Tensor,
    gallery: Tensor,
    gallery_labels: Tensor,
    exclude_self: bool | Tensor = False,
    *,
    chunk: int | None = None,
) -> float:
    r"""mAP: precision at every item of the query's class, averaged over these, then over the queries.

    .. math:: AP_i = \frac{1}{|P_i|} \sum_{p \in P_i}
        \frac{\#\{m \in P_i : s_{im} \ge s_{ip}\}}{\#\{n : s_{in} \ge s_{ip}\}}, \quad P_i = \{p : y_p = y_i\}

    Equally similar items share a place, as in scikit-learn's ``average_precision_score``, with which this agrees.
    :math:`AP_i = 0` where :math:`P_i` is empty. The arguments are those of :func:`match_ranks`.

    Raises:
        ValueError: sizes do not fit together, or there is nothing to compare.

    """
    total = 0.0
    for similarity, same in similarity_blocks(
        query, query_labels, gallery, gallery_labels, exclude_self=exclude_self, chunk=chunk
    ):
        total += float(_average_precision(similarity, same).sum())
    return total / len(query)


def class_means(features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    r"""One template a class, :math:`t_c = \bar f_c / \lVert \bar f_c \rVert`, the mean of unit features scaled to 1.

    Args:
        features: ``(N, D)``; each is scaled to length 1 before it is averaged.
        labels: class ids ``(N,)``.

    Returns:
        The classes that occur, ``(C,)`` rising, and their templates, ``(C, D)`` float32.

    Raises:
        ValueError: sizes do not fit together, or there are no features.

    """
    import torch

    check_features(features, labels, "gallery")
    classes, index = torch.unique(labels.to(features.device), return_inverse=True)
    units = unit_rows(features).double()  # added in float64, the order, which a GPU does not keep, does not show
    sums = units.new_zeros(len(classes), units.shape[1]).index_add_(0, index, units)
    return classes, unit_rows(sums)


def nearest_class_mean_correct(
    query: Tensor, query_labels: Tensor, gallery: Tensor, gallery_labels: Tensor, *, chunk: int | None = None
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
    query: Tensor, query_labels: Tensor, gallery: Tensor, gallery_labels: Tensor, *, chunk: int | None = None
) -> float:
    """Share of queries nearest to the mean of their own class: the published 1:N identification protocol.

    Gallery features are scaled to length 1, averaged over each class and scaled again; the largest inner product
    with a query names its class. The arguments are those of :func:`nearest_class_mean_correct`.

    Source: IAM-CL2R (arXiv 2405.02581), ``performance_metrics.py:27-84`` of the authors' code.

    Example:
        >>> import torch
        >>> gallery, labels = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 1, 1])
        >>> nearest_class_mean_accuracy(torch.tensor([[1.0, 0.2], [0.9, 0.5]]), torch.tensor([0, 1]), gallery, labels)
        0.5

    """
    right = nearest_class_mean_correct(query, query_labels, gallery, gallery_labels, chunk=chunk)
    return int(right.sum()) / len(right)


def _cmc_of_nearest(
    query: Tensor,
    query_labels: Tensor,
    gallery: Tensor,
    gallery_labels: Tensor,
    k: Sequence[int],
    exclude_self: bool | Tensor,
) -> dict[int, float]:
    """:func:`cmc` from the nearest of each query alone."""
    device, most, right = query.device, min(max(k) + 1, len(gallery)), dict.fromkeys(k, 0)
    gallery_labels, query_labels = gallery_labels.to(device), query_labels.to(device)
    own = own_items(query_labels, gallery_labels, exclude_self)
    for rows in row_blocks(len(query), most):
        _, found = nearest(query[rows], gallery, most)
        same = gallery_labels[found] == query_labels[rows, None]
        other = found != (-1 if own is None else own[rows, None])
        place = other.cumsum(dim=1)  # from 1, a query's own item not counted
        for count in right:
            right[count] += int((same & other & (place <= count)).any(dim=1).sum())
    return {count: total / len(query) for count, total in right.items()}


def _average_precision(similarity: Tensor, same: Tensor) -> Tensor:
    """Average precision of each query, ``(q,)`` float64; overwrites ``similarity``.

    A place is a count of items at least as similar, which two sorted rows give by bisection.
    """
    import torch

    matches = same.sum(dim=1)
    most, items = int(matches.max()), similarity.shape[1]
    own = _ascending(similarity.where(same, -float("inf")))[:, items - most :].contiguous()
    found = most - torch.searchsorted(own, own)
    place = items - torch.searchsorted(_ascending(similarity), own)
    precision = (found.double() / place).where(own > -float("inf"), 0.0)  # rows with fewer matches are padded
    return precision.sum(dim=1) / matches.clamp_min(1)


def _ascending(rows: Tensor) -> Tensor:
    """Each row sorted; on the CPU in place, by numpy, whose sort takes a fortieth of torch's time."""
    if rows.device.type != "cpu":
        return rows.sort(dim=1).values
    rows.numpy().sort(axis=1)
    return rows
