"""Pareto front of arrangements: those that no other one beats in quality and in cost."""

from __future__ import annotations

from collections.abc import Sequence


def pareto_front(costs: Sequence[float], qualities: Sequence[float]) -> tuple[bool, ...]:
    """Return whether each point is on the front: no other is as good and cheaper, or as cheap and better.

    Args:
        costs: Cost of each point; less is better.
        qualities: Quality of each point; more is better.

    Example:
        >>> pareto_front([0, 0, 5, 9], [0.5, 0.8, 0.7, 0.9])
        (False, True, False, True)

    """
    points = list(zip(costs, qualities, strict=True))
    return tuple(not any(_beats(other, point) for other in points) for point in points)


def _beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and one[0] <= other[0] and one[1] >= other[1]
