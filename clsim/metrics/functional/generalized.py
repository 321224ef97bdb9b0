"""Generalized average accuracy (gAcc) of class-incremental streams. Plain numbers in and out."""

from __future__ import annotations

from itertools import pairwise
from math import floor, inf

from clsim.metrics.functional.continual import Accuracy, AccuracyMatrix, measured


def generalized_accuracy(matrix: AccuracyMatrix, weight: float) -> float | None:
    r"""Return gAcc(a): accuracy in which the base session counts as much as ``a`` later ones.

    .. math:: gAcc(a) = \frac1T \sum_i g_i(a), \quad g_i(a) = \frac{a A_{i,0} + \sum_{j=1}^{i} A_{i,j}}{a + i}

    With equally large later sessions, ``a`` = base classes / classes of a session gives every class the same weight:
    the ordinary accuracy. A smaller ``a`` asks more for the novel classes. :math:`g_0(0) = 0`.

    Args:
        matrix: Lower-triangular accuracies. Row ``i`` is measured after session ``i``; column ``j`` is over the test
            images of session ``j``'s classes. Later sessions that are ``None`` or NaN count neither above nor below the
            fraction bar; a row without base accuracy is skipped.
        weight: Weight ``a`` of the base session, at least 0.

    Returns:
        Fraction; ``None`` if no row has a base accuracy.

    Raises:
        ValueError: The matrix is empty, row ``i`` has fewer than ``i + 1`` entries, an accuracy is infinite, or the
            weight is negative or not finite.

    Source: "Rethinking Few-shot Class-incremental Learning: Learning from Yourself" (ECCV 2024, arXiv 2407.07468);
    ``models/metric.py`` of the authors' code.

    Example:
        >>> generalized_accuracy([[0.75], [0.5, 0.25]], weight=1)  # (0.75 + (0.5 + 0.25) / 2) / 2
        0.5625

    """
    if not 0 <= weight < inf:
        raise ValueError(f"weight: expected a finite number of at least 0, got {weight}")
    if not len(matrix):
        raise ValueError("the accuracy matrix is empty")
    for index, row in enumerate(matrix):
        if len(row) <= index:
            raise ValueError(f"row {index} of the accuracy matrix: expected {index + 1} entries, got {len(row)}")
    rows = [[measured(value) for value in row[: index + 1]] for index, row in enumerate(matrix)]
    known = [_of_session(row[0], row[1:], weight) for row in rows if row[0] is not None]
    return sum(known) / len(known) if known else None


def generalized_accuracy_area(matrix: AccuracyMatrix, ratio: float) -> float | None:
    r"""Return the area under :func:`generalized_accuracy` over ``a`` from 0 to ``ratio``, divided by ``ratio``.

    The trapezoidal rule is applied at 0, 1, 2, ... and ``ratio``. The area is a mean over all compromises between
    novel and base classes: a model that keeps only the base classes does not look good.

    Args:
        matrix: Accuracies as :func:`generalized_accuracy` takes them.
        ratio: Number of base classes / number of classes of a later session, above 0: 12 for CIFAR-100 with 60 base
            classes and 5 ways.

    Returns:
        Fraction; ``None`` if no row has a base accuracy.

    Raises:
        ValueError: The ratio is not above 0 or not finite, or see :func:`generalized_accuracy`.

    Source: See :func:`generalized_accuracy`.

    Example:
        >>> round(generalized_accuracy_area([[0.80], [0.70, 0.65], [0.65, 0.60, 0.55]], ratio=12), 6)
        0.693696

    """
    if not 0 < ratio < inf:
        raise ValueError(f"ratio: expected a finite number above 0, got {ratio}")
    weights = [*map(float, range(floor(ratio) + 1)), *([ratio] if ratio > floor(ratio) else [])]
    curve = [(weight, generalized_accuracy(matrix, weight)) for weight in weights]
    known = [(weight, value) for weight, value in curve if value is not None]
    area = sum((right - left) * (high + low) / 2 for (left, low), (right, high) in pairwise(known))
    return area / ratio if known else None


def _of_session(base: float, novel: list[Accuracy], weight: float) -> float:
    """Return :math:`g_i(a)` of one row."""
    known = [value for value in novel if value is not None]
    total = weight + len(known)
    return (weight * base + sum(known)) / total if total else 0.0
