"""The Pareto front, against its definition."""

from __future__ import annotations

import random

from clsim.report.audit.front import pareto_front


def test_points_that_another_beats_are_not_on_the_front() -> None:
    costs, qualities = [0, 0, 1, 2, 2, 3], [0.5, 0.7, 0.6, 0.9, 0.8, 0.9]
    assert pareto_front(costs, qualities) == (False, True, False, True, False, False)


def test_equal_points_are_both_on_it() -> None:
    assert pareto_front([1, 1], [0.5, 0.5]) == (True, True)
    assert pareto_front([], []) == ()


def test_it_is_the_best_of_every_budget() -> None:
    source = random.Random(0)
    for _ in range(50):
        points = [(source.randrange(6), source.randrange(6) / 6) for _ in range(8)]
        front = pareto_front(*zip(*points, strict=True))
        for (cost, quality), is_on_it in zip(points, front, strict=True):
            affordable = [q for c, q in points if c <= cost]
            cheaper = [q for c, q in points if c < cost]
            assert is_on_it == (quality == max(affordable) and quality > max(cheaper, default=-1))
