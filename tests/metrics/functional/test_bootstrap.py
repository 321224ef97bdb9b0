"""Intervals cover the truth as often as they say, whole clusters at a time."""

import numpy as np
import pytest
from scipy import stats

from clsim.metrics import Estimate, bootstrap_mean, queries_to_decide
from clsim.metrics.functional.bootstrap import Resamples


def test_the_interval_is_scipys():
    values = np.random.default_rng(0).exponential(size=300)
    found = bootstrap_mean(values, resamples=20_000)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", vectorized=True, batch=1000, rng=1
    ).confidence_interval
    assert (found.value, found.low, found.high) == pytest.approx((values.mean(), *expected), abs=0.006)


def test_a_value_repeated_within_its_cluster_adds_nothing():
    values = np.random.default_rng(0).normal(size=50)
    once = bootstrap_mean(values)
    assert bootstrap_mean(np.repeat(values, 8), np.repeat(np.arange(50), 8)) == pytest.approx(once)
    naive = bootstrap_mean(np.repeat(values, 8))
    assert naive.high - naive.low < 0.5 * (once.high - once.low)


def test_means_of_clusters_of_unequal_size_are_those_of_a_loop():
    random = np.random.default_rng(0)
    values, clusters = random.normal(size=40), random.integers(0, 6, size=40)
    found = bootstrap_mean(values, clusters, resamples=50, seed=3)
    groups = [values[clusters == cluster] for cluster in range(6)]
    drawn = np.random.default_rng(3).integers(0, 6, (50, 6))
    means = [np.concatenate([groups[cluster] for cluster in row]) for row in drawn]
    expected = np.quantile([part.mean() for part in means], [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx(tuple(expected))


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_intervals_cover_the_mean(confidence):
    random, inside = np.random.default_rng(0), 0
    for number in range(400):
        effect = np.repeat(random.normal(size=60), 5)
        values = 0.3 + effect + random.normal(size=300)
        found = bootstrap_mean(values, np.repeat(np.arange(60), 5), confidence=confidence, resamples=400, seed=number)
        inside += found.low <= 0.3 <= found.high
    assert inside / 400 == pytest.approx(confidence, abs=0.045)


def test_queries_that_do_not_count_change_nothing():
    values = np.random.default_rng(0).normal(size=50)
    gaps = np.insert(values, [0, 20, 50], np.nan)
    assert bootstrap_mean(gaps, np.insert(np.arange(50), [0, 20, 50], [7, 8, 9])) == bootstrap_mean(values)


def test_many_queries_are_drawn_in_blocks(monkeypatch):
    values = np.random.default_rng(0).normal(size=50)
    whole = bootstrap_mean(values, resamples=100)
    monkeypatch.setattr("clsim.metrics.functional.bootstrap.BLOCK", 130)
    assert bootstrap_mean(values, resamples=100) == pytest.approx(whole, abs=1e-12)


def test_figures_of_the_same_queries_share_their_draws():
    random = np.random.default_rng(0)
    first, clusters = random.normal(1.0, size=300), random.integers(0, 40, size=300)
    second = first / 2
    drawn = Resamples(clusters, seed=4)
    assert drawn.mean(first) == pytest.approx(bootstrap_mean(first, clusters, seed=4))
    assert drawn.ratio(second, first) == pytest.approx((0.5, 0.5, 0.5))
    loop = [
        np.concatenate([first[clusters == c] for c in row])
        for row in np.random.default_rng(4).integers(0, 40, (2000, 40))
    ]
    assert drawn.mean(first)[1:] == pytest.approx(tuple(np.quantile([part.mean() for part in loop], [0.025, 0.975])))


def test_a_ratio_without_a_denominator_is_refused():
    with pytest.raises(ValueError, match="denominator"):
        Resamples([0, 1]).ratio([1.0, 1.0], [0.0, 0.0])
    assert Resamples([0, 1]).ratio([1.0, 2.0], [2.0, float("nan")]).value == 0.5


@pytest.mark.parametrize(
    ("values", "clusters", "settings"),
    [
        ([], None, {}),
        ([float("nan")], None, {}),
        ([1.0, 2.0], [1], {}),
        ([[1.0]], None, {}),
        ([1.0], None, {"confidence": 1.0}),
        ([1.0], None, {"resamples": 0}),
    ],
)
def test_wrong_inputs_are_refused(values, clusters, settings):
    with pytest.raises(ValueError, match="expected"):
        bootstrap_mean(values, clusters, **settings)


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        ((0.01, -0.01, 0.03), 4000),
        ((-0.01, -0.03, 0.01), 4000),
        ((0.02, 0.005, 0.03), 1000),
        ((0.0, -0.1, 0.1), None),
        ((0.01, 0.0, 0.03), 1000),
    ],
)
def test_queries_to_decide(difference, expected):
    assert queries_to_decide(Estimate(*difference), 1000) == expected
