"""Can features of one model be compared with those of another? Read off the cross-test matrix.

``C[i][j]`` is a search accuracy with queries by model ``i`` and a gallery by model ``j``, ``j <= i``: self-tests on
the diagonal, cross-tests below it. Whatever stands above the diagonal (``None``, or the entries of a full matrix) is
not looked at. Plain numbers in and out; only :func:`constraints_satisfied` looks at features, and imports torch then.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clsim.metrics.functional.checks import Features, Labels, Own

CrossTestMatrix = Sequence[Sequence[float | None]]


def average_compatibility(matrix: CrossTestMatrix, strict: bool = True) -> float | None:
    r"""AC: share of pairs of models whose cross-test beats the older model's self-test.

    .. math:: AC = \frac{2}{T (T - 1)} \sum_{j < i} [C_{ij} > C_{jj}]

    Args:
        matrix: cross-test matrix of ``T`` models.
        strict: a tie fails (IAM-CL2R's code, ``compatibility_metrics.py:8``); else it holds (CoReS and CL2R).

    Returns:
        A fraction; ``None`` for a single model, which has no pair.

    Raises:
        ValueError: the matrix is empty, or lacks an entry on or below its diagonal.

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
    r"""AM: mean of all self-tests and cross-tests.

    .. math:: AM = \frac{2}{T (T + 1)} \sum_{j \le i} C_{ij}

    A true 0 counts; IAM-CL2R's code leaves it out, which flatters models that fail altogether.

    Raises:
        ValueError: the matrix is empty, or lacks an entry on or below its diagonal.

    Source: CL2R; IAM-CL2R (arXiv 2405.02581), where it is also called AA and given in per cent.

    Example:
        >>> average_multimodel_accuracy([[0.5], [0.25, 0.75]])
        0.5

    """
    return average_multimodel_accuracy_curve(matrix)[-1]


def average_multimodel_accuracy_curve(matrix: CrossTestMatrix) -> list[float]:
    """AM after each model: that of the leading ``t x t`` block, for ``t`` = 1 to ``T``.

    Raises:
        ValueError: the matrix is empty, or lacks an entry on or below its diagonal.
    """
    curve, total, entries = [], 0.0, 0
    for row in _lower(matrix):
        total += sum(row)
        entries += len(row)
        curve.append(total / entries)
    return curve


def backward_compatibility(matrix: CrossTestMatrix) -> float | None:
    r"""BC: what the last model's queries gain on the old galleries over the models that made these.

    .. math:: BC = \frac{1}{T - 1} \sum_{i < T} (C_{Ti} - C_{ii})

    Negative where the old galleries serve the new model worse than they served their own; ``None`` for one model.

    Raises:
        ValueError: the matrix is empty, or lacks an entry on or below its diagonal.

    Source: CL2R.
    """
    rows = _lower(matrix)
    gains = [value - rows[old][old] for old, value in enumerate(rows[-1][:-1])]
    return sum(gains) / len(gains) if gains else None


def gain_over_first(matrix: CrossTestMatrix) -> float | None:
    """Gain of the last model's queries on the first gallery, ``C[T][0] - C[0][0]``; ``None`` for a single model.

    Raises:
        ValueError: the matrix is empty, or lacks an entry on or below its diagonal.
    """
    rows = _lower(matrix)
    return rows[-1][0] - rows[0][0] if len(rows) > 1 else None


def update_gain(new_old: float, old_old: float, upper: float) -> float | None:
    r"""Share of a full re-index's gain that is had without one.

    .. math:: G = \frac{M(n, o) - M(o, o)}{M(n^*, n^*) - M(o, o)}

    1: nothing is gained by re-indexing. 0: the new model brings nothing to the old gallery; below 0, harm.

    Args:
        new_old: queries by the new model, gallery by the old.
        old_old: queries and gallery by the old model.
        upper: queries and gallery by a new model; BCT takes one trained independently of the old.

    Returns:
        A ratio, which may exceed 1; ``None`` where ``upper`` is not above ``old_old``, so that there is no gain to
        have a share of.

    Raises:
        ValueError: one of them is no number.

    Source: BCT (arXiv 2003.11942), equation 9.

    Example:
        >>> update_gain(0.625, 0.5, 0.75)
        0.5

    """
    if not all(isfinite(value) for value in (new_old, old_old, upper)):
        raise ValueError(f"an update gain is of numbers; got {new_old}, {old_old} and {upper}")
    return (new_old - old_old) / (upper - old_old) if upper > old_old else None


def constraints_satisfied(
    new_query: Features,
    old_query: Features,
    old_gallery: Features,
    query_labels: Labels,
    gallery_labels: Labels,
    *,
    exclude_self: Own = False,
    chunk: int | None = None,
) -> tuple[float | None, float | None]:
    r"""Share of pairs for which each inequality of the definition of backward compatibility holds.

    .. math:: d(\phi_n(x_i), \phi_o(x_j)) \le d(\phi_o(x_i), \phi_o(x_j)) \ \text{if } y_i = y_j, \quad
        d(\phi_n(x_i), \phi_o(x_j)) \ge d(\phi_o(x_i), \phi_o(x_j)) \ \text{if } y_i \ne y_j

    over all queries ``i`` and gallery items ``j``, with the cosine distance :math:`d = 1 - \cos`.

    Args:
        new_query: queries by the new model, ``(Q, D)``.
        old_query: the same queries by the old model, ``(Q, D)``.
        old_gallery: gallery by the old model, ``(N, D)``.
        query_labels: class ids ``(Q,)``.
        gallery_labels: class ids ``(N,)``.
        exclude_self: where queries are gallery items, leaves out each with itself, see
            :func:`~clsim.metrics.functional.retrieval.match_ranks`.
        chunk: queries at a time; by default as many as need 64 MiB of similarities to either model.

    Returns:
        Shares of same-class and of different-class pairs; ``None`` where there is no such pair.

    Raises:
        ValueError: sizes do not fit together, there is nothing to compare, features are not finite, or labels are no
            integers.

    Source: BCT (arXiv 2003.11942), which asks it of every pair; d-Simplex-HOC proves it in expectation.
    """
    from clsim.metrics.functional.checks import as_features
    from clsim.metrics.functional.similarity import similarity_blocks

    new_query, old_query = as_features(new_query, "new query"), as_features(old_query, "old query")
    if new_query.shape[:1] != old_query.shape[:1]:
        raise ValueError(f"the same queries are needed of both models; got {len(new_query)} and {len(old_query)}")
    news, olds = (
        similarity_blocks(query, query_labels, old_gallery, gallery_labels, exclude_self=exclude_self, chunk=chunk)
        for query in (new_query, old_query)
    )
    held, pairs = [0, 0], [0, 0]
    for (new, same), (old, _) in zip(news, olds, strict=True):
        other = ~same & (new > -float("inf"))  # minus infinity: an item with itself
        for kind, (pair, holds) in enumerate(((same, new >= old), (other, new <= old))):
            held[kind] += int((pair & holds).sum())
            pairs[kind] += int(pair.sum())
    same_class, different_class = (right / total if total else None for right, total in zip(held, pairs, strict=True))
    return same_class, different_class


def _lower(matrix: CrossTestMatrix) -> list[list[float]]:
    """The entries on and below the diagonal."""
    rows = []
    for index, row in enumerate(matrix):
        if not hasattr(row, "__len__"):
            raise ValueError(f"row {index} of the cross-test matrix is no row of numbers: {row!r}")
        values = [value for value in row[: index + 1] if value is not None]
        if len(values) <= index:
            raise ValueError(f"row {index} of the cross-test matrix needs {index + 1} entries; it has {len(values)}")
        if not all(isfinite(value) for value in values):
            raise ValueError(f"row {index} of the cross-test matrix holds what is no number: {values}")
        rows.append(values)
    if not rows:
        raise ValueError("the cross-test matrix is empty")
    return rows
