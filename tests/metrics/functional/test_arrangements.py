"""Recall of lists, calibrated scores and curves of re-indexing, against plain loops."""

import numpy as np
import pytest
import torch

from clsim.metrics import (
    Neighbors,
    descending_order,
    list_recall,
    nearest,
    partial_index_curve,
    popularity,
    score_line,
)


def test_recall_is_that_of_sets():
    generator = torch.Generator().manual_seed(0)
    found = torch.stack([torch.randperm(12, generator=generator)[:5] for _ in range(40)])
    wanted = torch.stack([torch.randperm(12, generator=generator)[:7] for _ in range(40)])
    for row in range(40):
        wanted[row, 1 + row % 7 :] = -1
    found[3, 2:], wanted[4] = -1, -1
    recall = list_recall(found, wanted)
    assert bool(recall[4].isnan())
    for row in {*range(40)} - {4}:
        a, b = ({item for item in items[row].tolist() if item >= 0} for items in (found, wanted))
        assert float(recall[row]) == pytest.approx(len(a & b) / min(5, len(b)))


def test_the_line_is_numpys():
    random = np.random.default_rng(0)
    source = random.normal(size=(30, 4))
    target = 0.7 * source + 0.2 + 0.1 * random.normal(size=(30, 4))
    expected = np.polyfit(source.ravel(), target.ravel(), 1)
    assert score_line(torch.from_numpy(source), torch.from_numpy(target)) == pytest.approx(tuple(expected))


def test_popular_items_come_first():
    counts = popularity([[4, 1], [4, -1], [1, 4], [0, 4]], 6)
    assert counts.tolist() == [1, 2, 0, 0, 4, 0]
    assert descending_order(counts).tolist() == [4, 1, 0, 2, 3, 5]


@pytest.fixture
def galleries():
    """Stored vectors are noisy copies of fresh ones; the exact neighbors among the fresh ones are relevant."""
    generator = torch.Generator().manual_seed(0)
    fresh, query = torch.randn(30, 6, generator=generator), torch.randn(12, 6, generator=generator)
    stored = fresh + torch.randn(30, 6, generator=generator)
    return query, stored, fresh, nearest(query, fresh, 4)[1]


@pytest.mark.parametrize("steps", [1, 7, 30, 100])
def test_the_curve_is_that_of_searches_in_mixed_galleries(galleries, steps):
    query, stored, fresh, relevant = galleries
    order = torch.randperm(30, generator=torch.Generator().manual_seed(3))
    lists = [Neighbors(*nearest(query, rows, 30)) for rows in (stored, fresh)]
    curve = partial_index_curve(*lists, order, relevant, k=5, steps=steps)
    assert curve.fractions[0] == 0
    assert len(curve.fractions) == min(steps, 30) + 1
    for fraction, accuracy in zip(curve.fractions, curve.accuracy, strict=True):
        mixed, done = stored.clone(), order[: round(fraction * 30)]
        mixed[done] = fresh[done]
        expected = list_recall(nearest(query, mixed, 5)[1], relevant).mean()
        assert accuracy == pytest.approx(float(expected))
    assert curve.accuracy[-1] == 1.0
    assert curve.accuracy[0] < 0.9


def test_noisy_items_first_have_the_greater_area():
    """Half of the items have not moved, so re-indexing them first gains nothing."""
    generator = torch.Generator().manual_seed(0)
    fresh, query = torch.randn(60, 6, generator=generator), torch.randn(40, 6, generator=generator)
    moved = (torch.arange(60) % 2).float()
    stored = fresh + 2 * moved[:, None] * torch.randn(60, 6, generator=generator)
    lists = [Neighbors(*nearest(query, rows, 60)) for rows in (stored, fresh)]
    relevant = nearest(query, fresh, 5)[1]
    areas = [
        partial_index_curve(*lists, order, relevant, k=5).area
        for order in (descending_order(moved), descending_order(-moved))
    ]
    assert areas[0] > areas[1] + 0.05


def test_wrong_inputs_are_refused(galleries):
    query, stored, fresh, relevant = galleries
    lists = [Neighbors(*nearest(query, rows, 30)) for rows in (stored, fresh)]
    for order in ([0, 0, *range(2, 30)], range(1, 31)):
        with pytest.raises(ValueError, match="order"):
            partial_index_curve(*lists, list(order), relevant, k=5)
    with pytest.raises(ValueError, match="relevant"):
        partial_index_curve(*lists, list(range(30)), torch.full((12, 1), -1), k=5)
    with pytest.raises(ValueError, match="expected"):
        list_recall(torch.zeros(3, 2), torch.zeros(2, 2))
    with pytest.raises(ValueError, match="shape"):
        score_line(torch.zeros(3), torch.zeros(2))
    with pytest.raises(ValueError, match="differ"):
        score_line(torch.zeros(3), torch.zeros(3))
