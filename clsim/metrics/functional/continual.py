"""Averages, forgetting and base against novel accuracy over a stream of sessions. Plain numbers in and out.

A session whose classes have no test image has no accuracy. Its place holds ``None`` or NaN, and no figure counts it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite, isnan
from numbers import Real
from typing import Literal

Accuracy = float | None
Matrix = Sequence[Sequence[Accuracy]]


def average_accuracy(accuracies: Sequence[Accuracy]) -> float | None:
    r"""Mean over the measured sessions, :math:`\frac1{T} \sum_t A_t`: the "Avg" of published FSCIL tables.

    Returns:
        A fraction; ``None`` where no session was measured.

    Raises:
        ValueError: an accuracy is infinite, or there is no session.

    Example:
        >>> average_accuracy([0.8, 0.6])
        0.7
        >>> average_accuracy([0.8, None, 0.6])
        0.7

    """
    known = [value for value in _sessions(accuracies) if value is not None]
    return sum(known) / len(known) if known else None


def average_accuracy_weighted(accuracies: Sequence[Accuracy], images: Sequence[int]) -> float | None:
    r"""Mean weighted by test images, :math:`\sum_t n_t A_t / \sum_t n_t`.

    Later sessions have more test images, so that it lies below :func:`average_accuracy` wherever accuracy falls.
    This is what CPE-CLIP's code calls AvgAcc (``CoLeLib/evaluation/metrics.py``), not what its table prints.

    Args:
        accuracies: :math:`A_t` over all classes seen by session ``t``.
        images: :math:`n_t`, test images behind each.

    Returns:
        A fraction; ``None`` where no session was measured.

    Raises:
        ValueError: an accuracy is infinite, a number of images is negative, the two differ in length, or there is no
            session.

    """
    known = [(a, n) for a, n in zip(_sessions(accuracies), images, strict=True) if a is not None]
    if not all(0 <= n < inf for _, n in known):
        raise ValueError(f"numbers of test images are at least 0; got {list(images)}")
    total = sum(n for _, n in known)
    return sum(a * n for a, n in known) / total if total else None


def performance_drop(accuracies: Sequence[Accuracy]) -> float | None:
    """PD: accuracy after the base session minus accuracy after the last; ``None`` where either was not measured.

    Raises:
        ValueError: an accuracy is infinite, or there is no session.
    """
    first, last = _sessions(accuracies)[0], _sessions(accuracies)[-1]
    return None if first is None or last is None else first - last


def harmonic_mean(base: float, novel: float) -> float:
    """``2 b n / (b + n)``; 0 if both are 0.

    Raises:
        ValueError: an accuracy is negative or no number.
    """
    if not (isfinite(base) and isfinite(novel) and min(base, novel) >= 0):
        raise ValueError(f"a harmonic mean is of numbers from 0; got {base} and {novel}")
    return 2 * base * novel / (base + novel) if base + novel else 0.0


def forgetting_by_session(matrix: Matrix, reference: Literal["best", "first"] = "best") -> list[float | None]:
    r"""What the last row has lost of every earlier session's classes.

    :math:`f_j = r_j - a_{T,j}` for :math:`j < T`, where :math:`r_j` is :math:`\max_{j \le k < T} a_{k,j}`
    (``best``: CPE-CLIP, PyCIL, PILOT) or :math:`a_{j,j}` (``first``: Avalanche). Negative where it got better.

    Args:
        matrix: lower-triangular accuracies; row ``i`` after session ``i``, column ``j`` over the test images of
            session ``j``'s classes, ``None`` or NaN where these have no test image.
        reference: what the loss is counted from.

    Returns:
        One number for every session before the last, ``None`` for a session without a measured class; empty for a
        single row.

    Raises:
        ValueError: there is no row, a row is shorter than its number asks, an accuracy is infinite, or the reference
            is neither of the two.

    """
    if reference not in ("best", "first"):
        raise ValueError(f"reference must be 'best' or 'first'; got {reference!r}")
    if not len(matrix):
        raise ValueError("the accuracy matrix is empty")
    if any(len(row) <= index for index, row in enumerate(matrix)):
        raise ValueError("row i of the accuracy matrix needs at least i + 1 entries")
    rows = [[_measured(value) for value in row[: index + 1]] for index, row in enumerate(matrix)]
    return [_lost([row[column] for row in rows[column:]], reference) for column in range(len(rows) - 1)]


def forgetting(matrix: Matrix, reference: Literal["best", "first"] = "best") -> float | None:
    """Mean of :func:`forgetting_by_session` after the last row, over the sessions that were measured.

    Returns:
        Points lost as a fraction; ``None`` for a single session, or where no earlier one was measured.

    Example:
        >>> round(forgetting([[0.9], [0.8, 0.5], [0.85, 0.6, 0.7]], "best"), 3)  # (0.9 - 0.85 + 0.5 - 0.6) / 2
        -0.025
        >>> round(forgetting([[0.9], [0.8, None], [0.85, None, None]]), 3)
        0.05

    """
    return _mean(forgetting_by_session(matrix, reference))


def average_forgetting(matrix: Matrix, reference: Literal["best", "first"] = "best") -> float | None:
    """Mean of the forgetting over all pairs of a session and a measured earlier one (CPE-CLIP's AvgForgetting).

    Raises:
        ValueError: as :func:`forgetting_by_session`.
    """
    if not len(matrix):
        raise ValueError("the accuracy matrix is empty")
    pairs = range(2, len(matrix) + 1)
    return _mean([value for rows in pairs for value in forgetting_by_session(matrix[:rows], reference)])


def _lost(column: Sequence[Accuracy], reference: str) -> float | None:
    """What one session's classes lost, from its own row to the last one."""
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
        raise ValueError("there is no session to average over")
    return [_measured(value) for value in accuracies]


def _measured(value: Accuracy) -> Accuracy:
    """The accuracy, ``None`` where nothing was measured.

    Raises:
        ValueError: it is infinite, or no number.
    """
    if value is None:
        return None
    # A tensor of one number is none of Python's; a text is no number however it reads.
    number = float(value) if isinstance(value, Real) or hasattr(value, "item") else inf
    if not (isfinite(number) or isnan(number)):
        raise ValueError(f"an accuracy is a number; got {value!r}")
    return None if isnan(number) else number
