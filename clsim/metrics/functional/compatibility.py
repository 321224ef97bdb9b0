"""Compatibility metrics on the cross-test matrix of successive models.

``C[i][j]`` is the search accuracy with queries by model ``i`` and a gallery by model ``j``, ``j <= i``: self-tests on
the diagonal, cross-tests below it. Entries above the diagonal are ignored. Plain numbers in and out; only
:func:`constraints_satisfied` takes features, and imports torch then.
"""

from __future__ import annotations

from collections.abc import Sequence, Sized
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clsim.metrics.functional.checks import Features, Labels, SelfItems

CrossTestMatrix = Sequence[Sequence[float | None]]


def average_compatibility(matrix: CrossTestMatrix, strict: bool = True) -> float | None:
    r"""Return AC: fraction of model pairs whose cross-test exceeds the older model's self-test.

    .. math:: AC = \frac{2}{T (T - 1)} \sum_{j < i} [C_{ij} > C_{jj}]

    Args:
        matrix: Cross-test matrix of ``T`` models.
        strict: Whether a tie fails (IAM-CL2R's code, ``compatibility_metrics.py:8``) or holds (CoReS and CL2R).

    Returns:
        Fraction of pairs; ``None`` for a single model.

    Raises:
        ValueError: The matrix is empty, or lacks an entry on or below its diagonal.

    Source: CL2R; IAM-CL2R (arXiv 2405.02581).

    Example:
        >>> average_compatibility([[0.5], [0.6, 0.7], [0.5, 0.8, 0.9]])  # 0.5 against 0.5 is a tie
        0.6666666666666666

    """
    rows = _lower(matrix)
    held = [
        value > rows[old][old] or (not strict and value == rows[old][old])
        for new, row in enumerate(rows)
        for old, value in enumerate(row[:new])
    ]
    return sum(held) / len(held) if held else None


def average_multimodel_accuracy(matrix: CrossTestMatrix) -> float:
    r"""Return AM: mean of all self-tests and cross-tests.

    .. math:: AM = \frac{2}{T (T + 1)} \sum_{j \le i} C_{ij}

    Zeros count. IAM-CL2R's code drops them, which inflates AM for models that fail completely.

    Raises:
        ValueError: The matrix is empty, or lacks an entry on or below its diagonal.

    Source: CL2R; IAM-CL2R (arXiv 2405.02581), where it is also called AA and reported in percent.

    Example:
        >>> average_multimodel_accuracy([[0.5], [0.25, 0.75]])
        0.5

    """
    return average_multimodel_accuracy_curve(matrix)[-1]


def average_multimodel_accuracy_curve(matrix: CrossTestMatrix) -> list[float]:
    """Return AM after each model: that of the leading ``t x t`` block, for ``t`` = 1 to ``T``.

    Raises:
        ValueError: The matrix is empty, or lacks an entry on or below its diagonal.

    Example:
        >>> average_multimodel_accuracy_curve([[0.5], [0.25, 0.75]])
        [0.5, 0.5]

    """
    curve, total, entries = [], 0.0, 0
    for row in _lower(matrix):
        total += sum(row)
        entries += len(row)
        curve.append(total / entries)
    return curve


def backward_compatibility(matrix: CrossTestMatrix) -> float | None:
    r"""Return BC: mean gain of the last model's queries on old galleries over the self-tests of the old models.

    .. math:: BC = \frac{1}{T - 1} \sum_{i < T} (C_{Ti} - C_{ii})

    Negative if old galleries serve the new model worse than the old models; ``None`` for a single model.

    Raises:
        ValueError: The matrix is empty, or lacks an entry on or below its diagonal.

    Source: CL2R.

    Example:
        >>> backward_compatibility([[0.5], [0.625, 0.75]])
        0.125

    """
    rows = _lower(matrix)
    gains = [value - rows[old][old] for old, value in enumerate(rows[-1][:-1])]
    return sum(gains) / len(gains) if gains else None


def gain_over_first(matrix: CrossTestMatrix) -> float | None:
    """Return the gain of the last model's queries on the first gallery, ``C[T][0] - C[0][0]``.

    Returns:
        Difference of accuracies; ``None`` for a single model.

    Raises:
        ValueError: The matrix is empty, or lacks an entry on or below its diagonal.

    Example:
        >>> gain_over_first([[0.5], [0.625, 0.75], [0.75, 0.75, 1.0]])
        0.25

    """
    rows = _lower(matrix)
    return rows[-1][0] - rows[0][0] if len(rows) > 1 else None


def update_gain(new_old: float, old_old: float, upper: float) -> float | None:
    r"""Return the fraction of the gain of a full re-index that is reached without one.

    .. math:: G = \frac{M(n, o) - M(o, o)}{M(n^*, n^*) - M(o, o)}

    At 1 a re-index gains nothing more. At 0 the new model does not improve search in the old gallery; below 0 it harms
    it.

    Args:
        new_old: Accuracy with queries by the new model and the gallery by the old one.
        old_old: Accuracy with queries and gallery by the old model.
        upper: Accuracy with queries and gallery by a new model. BCT takes one trained independently of the old.

    Returns:
        Ratio, which may exceed 1; ``None`` if ``upper`` does not exceed ``old_old``.

    Raises:
        ValueError: An accuracy is not finite.

    Source: BCT (arXiv 2003.11942), equation 9.

    Example:
        >>> update_gain(0.625, 0.5, 0.75)
        0.5

    """
    if not all(isfinite(value) for value in (new_old, old_old, upper)):
        raise ValueError(f"update_gain: expected finite numbers, got {new_old}, {old_old} and {upper}")
    return (new_old - old_old) / (upper - old_old) if upper > old_old else None


def constraints_satisfied(
    new_query: Features,
    old_query: Features,
    old_gallery: Features,
    query_labels: Labels,
    gallery_labels: Labels,
    *,
    exclude_self: SelfItems = False,
    chunk: int | None = None,
) -> tuple[float | None, float | None]:
    r"""Return the fraction of pairs that satisfy each inequality of the definition of backward compatibility.

    .. math:: d(\phi_n(x_i), \phi_o(x_j)) \le d(\phi_o(x_i), \phi_o(x_j)) \ \text{if } y_i = y_j, \quad
        d(\phi_n(x_i), \phi_o(x_j)) \ge d(\phi_o(x_i), \phi_o(x_j)) \ \text{if } y_i \ne y_j

    over all queries ``i`` and gallery items ``j``, with the cosine distance :math:`d = 1 - \cos`.

    Args:
        new_query: Query features by the new model, ``(Q, D)``.
        old_query: Features of the same queries by the old model, ``(Q, D)``.
        old_gallery: Gallery features by the old model, ``(N, D)``.
        query_labels: Class ids of the queries, ``(Q,)``.
        gallery_labels: Class ids of the gallery, ``(N,)``.
        exclude_self: Gallery items that the queries are; such pairs are excluded, see
            :func:`~clsim.metrics.functional.retrieval.match_ranks`.
        chunk: Queries per block. The default holds 64 MiB of similarities for either model.

    Returns:
        Fractions of same-class and of different-class pairs; ``None`` if there is no such pair.

    Raises:
        ValueError: Shapes or types do not fit, an input is empty, or features are not finite.

    Source: BCT (arXiv 2003.11942), which requires it of every pair; d-Simplex-HOC proves it in expectation.

    Example:
        >>> gallery = [[1.0, 0.0], [0.0, 1.0]]
        >>> constraints_satisfied([[1.0, 0.0]], [[1.0, 1.0]], gallery, [0], [0, 1])
        (1.0, 1.0)

    """
    from clsim.metrics.functional.checks import as_features
    from clsim.metrics.functional.similarity import similarity_blocks

    new_query, old_query = as_features(new_query, "new query"), as_features(old_query, "old query")
    if new_query.shape[:1] != old_query.shape[:1]:
        raise ValueError(f"new_query and old_query differ in length: {len(new_query)} and {len(old_query)}")
    news, olds = (
        similarity_blocks(query, query_labels, old_gallery, gallery_labels, exclude_self=exclude_self, chunk=chunk)
        for query in (new_query, old_query)
    )
    held, pairs = [0, 0], [0, 0]
    for (new, same), (old, _) in zip(news, olds, strict=True):
        other = ~same & (new > -float("inf"))  # minus infinity marks an item and itself
        for kind, (pair, holds) in enumerate(((same, new >= old), (other, new <= old))):
            held[kind] += int((pair & holds).sum())
            pairs[kind] += int(pair.sum())
    same_class, different_class = (right / total if total else None for right, total in zip(held, pairs, strict=True))
    return same_class, different_class


def _lower(matrix: CrossTestMatrix) -> list[list[float]]:
    """Return the entries on and below the diagonal."""
    rows = []
    for index, row in enumerate(matrix):
        if not isinstance(row, Sized):
            raise ValueError(f"row {index} of the cross-test matrix: expected a row of numbers, got {row!r}")
        values = [value for value in row[: index + 1] if value is not None]
        if len(values) <= index:
            raise ValueError(f"row {index} of the cross-test matrix: expected {index + 1} entries, got {len(values)}")
        if not all(isfinite(value) for value in values):
            raise ValueError(f"row {index} of the cross-test matrix: expected finite numbers, got {values}")
        rows.append(values)
    if not rows:
        raise ValueError("the cross-test matrix is empty")
    return rows
