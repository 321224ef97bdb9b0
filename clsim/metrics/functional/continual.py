"""Accuracy and forgetting over a stream of sessions. Plain numbers in and out.

A session whose classes have no test image has no accuracy. Its entry is ``None`` or NaN, and every metric skips it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite, isnan
from typing import Literal, SupportsFloat

Accuracy = float | None
AccuracyMatrix = Sequence[Sequence[Accuracy]]


def average_accuracy(accuracies: Sequence[Accuracy]) -> float | None:
    r"""Return the mean over the measured sessions, :math:`\frac1{T} \sum_t A_t`: "Avg" in published FSCIL tables.

    Args:
        accuracies: :math:`A_t` of each session, ``None`` or NaN if not measured.

    Returns:
        Fraction; ``None`` if no session was measured.

    Raises:
        ValueError: An accuracy is infinite, or there is no session.

    Example:
        >>> average_accuracy([0.8, 0.6])
        0.7
        >>> average_accuracy([0.8, None, 0.6])
        0.7

    """
    known = [value for value in _sessions(accuracies) if value is not None]
    return sum(known) / len(known) if known else None


def average_accuracy_weighted(accuracies: Sequence[Accuracy], images: Sequence[int]) -> float | None:
    r"""Return the mean weighted by test images, :math:`\sum_t n_t A_t / \sum_t n_t`.

    Later sessions have more test images, so this is below :func:`average_accuracy` if accuracy falls. CPE-CLIP's code
    calls it AvgAcc (``CoLeLib/evaluation/metrics.py``); its table reports the unweighted mean.

    Args:
        accuracies: :math:`A_t` over all classes seen by session ``t``, ``None`` or NaN if not measured.
        images: :math:`n_t`, number of test images of each.

    Returns:
        Fraction; ``None`` if no session was measured.

    Raises:
        ValueError: An accuracy is infinite, a number of images is negative, the two differ in length, or there is no
            session.

    Example:
        >>> average_accuracy_weighted([0.75, 0.5], [100, 300])
        0.5625

    """
    known = [(a, n) for a, n in zip(_sessions(accuracies), images, strict=True) if a is not None]
    if not all(0 <= n < inf for _, n in known):
        raise ValueError(f"images: expected finite numbers of at least 0, got {list(images)}")
    total = sum(n for _, n in known)
    return sum(a * n for a, n in known) / total if total else None


def performance_drop(accuracies: Sequence[Accuracy]) -> float | None:
    """Return PD: accuracy after the base session minus accuracy after the last.

    Args:
        accuracies: Accuracy of each session, ``None`` or NaN if not measured.

    Returns:
        Difference; ``None`` if either session was not measured.

    Raises:
        ValueError: An accuracy is infinite, or there is no session.

    Example:
        >>> performance_drop([0.75, 0.5, 0.5])
        0.25

    """
    first, last = _sessions(accuracies)[0], _sessions(accuracies)[-1]
    return None if first is None or last is None else first - last


def harmonic_mean(base: float, novel: float) -> float:
    """Return the harmonic mean of base and novel accuracy, ``2 b n / (b + n)``; 0 if both are 0.

    Args:
        base: Accuracy over the classes of the base session.
        novel: Accuracy over the classes of later sessions.

    Raises:
        ValueError: An accuracy is negative or not finite.

    Example:
        >>> harmonic_mean(0.75, 0.25)
        0.375

    """
    if not (isfinite(base) and isfinite(novel) and min(base, novel) >= 0):
        raise ValueError(f"harmonic_mean: expected finite numbers of at least 0, got {base} and {novel}")
    return 2 * base * novel / (base + novel) if base + novel else 0.0


def forgetting_by_session(matrix: AccuracyMatrix, reference: Literal["best", "first"] = "best") -> list[float | None]:
    r"""Return the accuracy lost on each earlier session's classes after the last session.

    :math:`f_j = r_j - a_{T,j}` for :math:`j < T`, where :math:`r_j` is :math:`\max_{j \le k < T} a_{k,j}`
    (``best``: CPE-CLIP, PyCIL, PILOT) or :math:`a_{j,j}` (``first``: Avalanche). Negative if accuracy rose.

    Args:
        matrix: Lower-triangular accuracies. Row ``i`` is measured after session ``i``; column ``j`` is over the test
            images of session ``j``'s classes, ``None`` or NaN if there are none.
        reference: Reference accuracy: ``best`` before the last session, or ``first``.

    Returns:
        One number for each session before the last, ``None`` for sessions not measured; empty for a single row.

    Raises:
        ValueError: The matrix is empty, row ``i`` has fewer than ``i + 1`` entries, an accuracy is infinite, or the
            reference is unknown.

    Example:
        >>> forgetting_by_session([[0.75], [0.5, 0.5], [0.5, 0.75, 0.5]])
        [0.25, -0.25]

    """
    if reference not in ("best", "first"):
        raise ValueError(f"reference: expected 'best' or 'first', got {reference!r}")
    if not len(matrix):
        raise ValueError("the accuracy matrix is empty")
    for index, row in enumerate(matrix):
        if len(row) <= index:
            raise ValueError(f"row {index} of the accuracy matrix: expected {index + 1} entries, got {len(row)}")
    rows = [[measured(value) for value in row[: index + 1]] for index, row in enumerate(matrix)]
    return [_lost([row[column] for row in rows[column:]], reference) for column in range(len(rows) - 1)]


def forgetting(matrix: AccuracyMatrix, reference: Literal["best", "first"] = "best") -> float | None:
    """Return the mean of :func:`forgetting_by_session` over the measured sessions, with the same arguments.

    Returns:
        Accuracy lost, a fraction; ``None`` for a single session, or if no earlier one was measured.

    Example:
        >>> round(forgetting([[0.9], [0.8, 0.5], [0.85, 0.6, 0.7]], "best"), 3)  # (0.9 - 0.85 + 0.5 - 0.6) / 2
        -0.025
        >>> round(forgetting([[0.9], [0.8, None], [0.85, None, None]]), 3)
        0.05

    """
    return _mean(forgetting_by_session(matrix, reference))


def average_forgetting(matrix: AccuracyMatrix, reference: Literal["best", "first"] = "best") -> float | None:
    """Return the mean forgetting over all pairs of a session and a measured earlier one (CPE-CLIP's AvgForgetting).

    Takes the arguments of :func:`forgetting_by_session`.

    Raises:
        ValueError: See :func:`forgetting_by_session`.

    Example:
        >>> average_forgetting([[0.75], [0.5, 0.5], [0.75, 0.25, 0.5]])  # (0.25 + 0 + 0.25) / 3
        0.16666666666666666

    """
    if not len(matrix):
        raise ValueError("the accuracy matrix is empty")
    pairs = range(2, len(matrix) + 1)
    return _mean([value for rows in pairs for value in forgetting_by_session(matrix[:rows], reference)])


def _lost(column: Sequence[Accuracy], reference: str) -> float | None:
    """Return the accuracy lost on one session's classes between their first row and the last."""
    *before, last = column
    known = [value for value in before if value is not None]
    if last is None or not known or (reference == "first" and before[0] is None):
        return None
    return (max(known) if reference == "best" else known[0]) - last


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _sessions(accuracies: Sequence[Accuracy]) -> list[Accuracy]:
    if not len(accuracies):
        raise ValueError("accuracies: expected at least one session, got none")
    return [measured(value) for value in accuracies]


def measured(value: Accuracy) -> Accuracy:
    """Return an accuracy, ``None`` for NaN.

    Raises:
        ValueError: The value is infinite or not a number.

    Example:
        >>> measured(0.5), measured(float("nan"))
        (0.5, None)

    """
    if value is None:
        return None
    # float() would also parse strings.
    number = float(value) if isinstance(value, SupportsFloat) else inf
    if not (isfinite(number) or isnan(number)):
        raise ValueError(f"accuracies: expected finite numbers, None or NaN, got {value!r}")
    return None if isnan(number) else number
