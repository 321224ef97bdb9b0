"""Bridges are fitted, chosen and measured on disjoint pairs."""

import numpy as np
import pytest
import torch
from helpers.errors import refused
from helpers.paired_rows import features, normal, rotation
from torch.nn import functional as F

from clsim.models.bridges import Split, fit_bridges, make_bridge, mean_cosine, split_pairs
from clsim.utils.errors import ArgumentError


def test_the_split_is_disjoint_complete_and_seeded():
    split = split_pairs(101, (0.5, 0.3, 0.2), seed=3)
    parts = [split.fit, split.validation, split.test]
    assert sorted(np.concatenate(parts)) == list(range(101))
    assert [len(part) for part in parts] == [50, 31, 20]
    assert all((np.diff(part) > 0).all() for part in parts)
    again, other = split_pairs(101, (0.5, 0.3, 0.2), seed=3), split_pairs(101, (0.5, 0.3, 0.2), seed=4)
    assert np.array_equal(again.test, split.test)
    assert not np.array_equal(other.test, split.test)


def test_a_split_may_use_a_part_of_the_pairs():
    split = split_pairs(1000, (0.1, 0.05, 0.05))
    assert [len(part) for part in (split.fit, split.validation, split.test)] == [100, 50, 50]


@pytest.mark.parametrize(("count", "shares"), [(10, (0.5, 0.5, 0.5)), (10, (1.0, 0.0, 0.0)), (2, (0.6, 0.2, 0.2))])
def test_refuses_impossible_splits(count, shares):
    with refused(ArgumentError, names=["split"]):
        split_pairs(count, shares)


def test_closed_forms_from_shared_moments_are_those_fitted_alone():
    old = features(300, 5)
    new = old @ normal(5, 7, seed=1) + 0.1 * normal(300, 7, seed=2)
    names = ["identity", "mean_drift", "procrustes", "procrustes_centered", "ridge", "low_rank", "lambda_orthogonal"]
    for side in ("query", "gallery"):
        found = fit_bridges(old, new, [make_bridge(name, side=side) for name in names], seed=5)
        kept, held_out, test = found.split.fit, found.split.validation, found.split.test
        for name, each in zip(names, found.fitted, strict=True):
            alone = make_bridge(name, side=side).fit(old[kept], new[kept], validation=(old[held_out], new[held_out]))
            rows = (new if side == "query" else old)[test]
            torch.testing.assert_close(each.bridge.transform(rows), alone.transform(rows), atol=1e-4, rtol=1e-4)
            assert each.test == pytest.approx(mean_cosine(alone, old[test], new[test]), abs=1e-5)
            assert each.validation == pytest.approx(mean_cosine(alone, old[held_out], new[held_out]), abs=1e-5)


def test_chooses_by_validation_pairs_only():
    """The test pairs are rotated the other way, so a choice that saw them would differ."""
    old = features(200, 4)
    new = old @ rotation(4)
    split = split_pairs(200)
    new[split.test] = old[split.test]
    found = fit_bridges(old, new, ["identity", "procrustes"], split=split)
    assert found.best.bridge.name == "procrustes"
    assert found.fitted[0].test > found.best.test


def test_test_pairs_change_no_map():
    old, new = features(200, 4), features(200, 6, seed=1)
    split = split_pairs(200)
    first = fit_bridges(old, new, ["ridge", "residual_mlp"], split=split)
    new[split.test] += 100
    second = fit_bridges(old, new, ["ridge", "residual_mlp"], split=split)
    rows = features(10, 6, seed=7)
    for a, b in zip(first.fitted, second.fitted, strict=True):
        assert torch.equal(a.bridge.transform(rows), b.bridge.transform(rows))
        assert a.validation == b.validation
        assert a.test != b.test


def test_a_score_of_the_caller_decides():
    old = features(100, 4)

    def prefers_identity(bridge, old, new):
        assert old.shape == new.shape == (20, 4)
        return float(bridge.name == "identity")

    assert fit_bridges(old, old.flip(1), score=prefers_identity).best.bridge.name == "identity"


def test_mean_cosine_is_that_of_rows():
    old, new = features(50, 4), features(50, 4, seed=1)
    expected = float(F.cosine_similarity(old, new).mean())
    for side in ("query", "gallery"):
        assert mean_cosine(make_bridge("identity", side=side).fit(old, new), old, new) == pytest.approx(expected)


def test_refuses_no_bridge_and_unknown_ones():
    rows = features(50, 4)
    for bridges in ([], ["rige"]):
        with refused(ArgumentError):
            fit_bridges(rows, rows, bridges, split=Split(*(np.arange(3) + 3 * i for i in range(3))))
