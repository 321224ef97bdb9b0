"""Retrieval by class means: each query against one template per class.

Follows the rules of :mod:`clsim.metrics.functional.retrieval`. Imports torch only when it computes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsim.metrics.functional.checks import (
    Features,
    Labels,
    Unmatched,
    as_labeled,
    check_unmatched,
    mean_of_queries,
)
from clsim.metrics.functional.retrieval import NO_MATCH, match_ranks, nearest_correct
from clsim.metrics.functional.similarity import unit_rows

if TYPE_CHECKING:
    from torch import Tensor


def class_means(features: Features, labels: Labels) -> tuple[Tensor, Tensor]:
    r"""Return one template per class, :math:`t_c = \bar f_c / \lVert \bar f_c \rVert`, from unit features.

    Args:
        features: Features ``(N, D)``. Each is scaled to length 1 before averaging.
        labels: Class ids, ``(N,)``.

    Returns:
        Classes in ascending order, ``(C,)``, and their templates, ``(C, D)`` float32.

    Raises:
        ValueError: Shapes or types do not fit, an input is empty, or features are not finite.

    Example:
        >>> class_means([[3.0, 0.0], [0.0, 1.0], [0.0, 2.0]], [4, 2, 2])
        (tensor([2, 4]), tensor([[0., 1.],
                [1., 0.]]))

    """
    import torch

    features, labels = as_labeled(features, labels, "gallery")
    classes, index = torch.unique(labels.to(features.device), return_inverse=True)
    units = unit_rows(features, "gallery").double()  # float64 sums of unit rows are exact in any order
    sums = units.new_zeros(len(classes), units.shape[1]).index_add_(0, index, units)
    return classes, unit_rows(sums)


def nearest_class_mean_correct(
    query: Features, query_labels: Labels, gallery: Features, gallery_labels: Labels, *, chunk: int | None = None
) -> Tensor:
    """Return whether each query is nearest to the mean of its class, ``(Q,)`` bool.

    With precomputed :func:`class_means`, ``nearest_correct(query, query_labels, means, classes)`` is equivalent.

    Args:
        query: Query features, ``(Q, D)``.
        query_labels: Class ids of the queries, ``(Q,)``.
        gallery: Gallery features, ``(N, D)``.
        gallery_labels: Class ids of the gallery, ``(N,)``.
        chunk: Queries per block.

    Raises:
        ValueError: Shapes or types do not fit, an input is empty, or features are not finite.

    Example:
        >>> nearest_class_mean_correct([[1.0, 0.2], [0.9, 0.5]], [0, 1], [[2.0, 0.0], [0.0, 1.0]], [0, 1])
        tensor([ True, False])

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
    """Return the fraction of queries nearest to the mean of their class: the published 1:N identification protocol.

    Gallery features are scaled to length 1, averaged over each class and scaled again. The largest inner product with
    a query determines its class. Takes the other arguments of :func:`nearest_class_mean_correct`.

    Args:
        unmatched: Treatment of queries whose class is not in the gallery: count as ``wrong``, or ``skip``.

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
