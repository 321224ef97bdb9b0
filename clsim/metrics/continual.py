"""What a stream of accuracies says: averages, forgetting, base against novel. Plain numbers in and out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Matrix = Sequence[Sequence[float]]


def average_accuracy(accuracies: Sequence[float]) -> float:
    r"""Mean over sessions, :math:`\frac1{T} \sum_t A_t`: the "Avg" of published FSCIL tables.

    Example:
        >>> average_accuracy([0.8, 0.6])
        0.7

    """
    return sum(accuracies) / len(accuracies)


def average_accuracy_weighted(accuracies: Sequence[float], images: Sequence[int]) -> float:
    r"""Mean weighted by test images, :math:`\sum_t n_t A_t / \sum_t n_t`.

    Later sessions have more test images, so that it lies below :func:`average_accuracy` wherever accuracy falls.
    This is what CPE-CLIP's code calls AvgAcc (``CoLeLib/evaluation/metrics.py``), not what its table prints.

    Args:
        accuracies: :math:`A_t` over all classes seen by session ``t``.
        images: :math:`n_t`, test images behind each.

    """
    return sum(a * n for a, n in zip(accuracies, images, strict=True)) / sum(images)


def performance_drop(accuracies: Sequence[float]) -> float:
    """PD: accuracy after the base session minus accuracy after the last."""
    return accuracies[0] - accuracies[-1]


def harmonic_mean(base: float, novel: float) -> float:
    """``2 b n / (b + n)``; 0 if both are 0."""
    return 2 * base * novel / (base + novel) if base + novel else 0.0


def forgetting_by_session(matrix: Matrix, reference: Literal["best", "first"] = "best") -> list[float]:
    r"""What the last row has lost of every earlier session's classes.

    :math:`f_j = r_j - a_{T,j}` for :math:`j < T`, where :math:`r_j` is :math:`\max_{j \le k < T} a_{k,j}`
    (``best``: CPE-CLIP, PyCIL, PILOT) or :math:`a_{j,j}` (``first``: Avalanche). Negative where it got better.

    Args:
        matrix: lower-triangular accuracies; row ``i`` after session ``i``, column ``j`` over the test images of
            session ``j``'s classes.
        reference: what the loss is counted from.

    Returns:
        One number for every session before the last; empty for a single row.

    Raises:
        ValueError: a row is shorter than its number asks, or the reference is neither of the two.

    """
    if reference not in ("best", "first"):
        raise ValueError(f"reference must be 'best' or 'first'; got {reference!r}")
    if any(len(row) <= index for index, row in enumerate(matrix)):
        raise ValueError("row i of the accuracy matrix needs at least i + 1 entries")
    last = len(matrix) - 1
    before = [[matrix[row][column] for row in range(column, last)] for column in range(last)]
    references = [max(past) if reference == "best" else past[0] for past in before]
    return [value - matrix[last][column] for column, value in enumerate(references)]


def forgetting(matrix: Matrix, reference: Literal["best", "first"] = "best") -> float | None:
    """Mean of :func:`forgetting_by_session` after the last row; ``None`` for a single session.

    Example:
        >>> round(forgetting([[0.9], [0.8, 0.5], [0.85, 0.6, 0.7]], "best"), 3)  # (0.9 - 0.85 + 0.5 - 0.6) / 2
        -0.025

    """
    lost = forgetting_by_session(matrix, reference)
    return sum(lost) / len(lost) if lost else None


def average_forgetting(matrix: Matrix, reference: Literal["best", "first"] = "best") -> float | None:
    """Mean of the forgetting over all pairs of a session and an earlier one (CPE-CLIP's AvgForgetting)."""
    lost = [value for rows in range(2, len(matrix) + 1) for value in forgetting_by_session(matrix[:rows], reference)]
    return sum(lost) / len(lost) if lost else None
