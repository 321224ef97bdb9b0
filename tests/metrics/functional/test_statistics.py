import math
import random
import warnings

import pytest
from helpers.errors import refused
from scipy import stats

from clsim.metrics.functional.statistics import EXACT, deviation_within, holm, mean_and_deviation, paired, spread


def test_a_spread_worked_out_by_hand():
    found = spread([0.70, 0.72, 0.74])
    # s = 0.02, and t with 2 degrees of freedom is 4.302653 at 97.5 %
    half = 4.302653 * 0.02 / math.sqrt(3)
    assert (found.n, found.mean, found.deviation) == (3, pytest.approx(0.72), pytest.approx(0.02))
    assert found.interval == pytest.approx((0.72 - half, 0.72 + half), abs=1e-8)


def test_a_difference_worked_out_by_hand():
    found = paired([0.70, 0.72, 0.74], [0.60, 0.66, 0.66])
    # differences 0.10, 0.06, 0.08: t = 0.08 / (0.02 / sqrt(3)) = 6.9282; with 2 degrees p = 1 - t / sqrt(2 + t^2)
    t = 0.08 / (0.02 / math.sqrt(3))
    assert found.mean == pytest.approx(0.08)
    assert found.deviation == pytest.approx(0.02)
    assert found.t_test == pytest.approx(1 - t / math.sqrt(2 + t * t))
    assert found.t_test == pytest.approx(0.0202041, abs=1e-7)
    assert found.sign_flips == pytest.approx(2 / 8)  # only all signs as they are, or all turned
    assert found.interval == pytest.approx((0.0303172, 0.1296828), abs=1e-7)


@pytest.mark.parametrize("n", [2, 3, 5, 8])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
def test_as_scipy_has_it(n, confidence):
    rng = random.Random(n)
    ours, theirs = ([rng.random() for _ in range(n)] for _ in range(2))
    found, test = paired(ours, theirs, confidence), stats.ttest_rel(ours, theirs)
    assert found.t_test == pytest.approx(test.pvalue)
    interval = test.confidence_interval(confidence)
    assert found.interval == pytest.approx((interval.low, interval.high))
    alone = stats.ttest_1samp(ours, 0).confidence_interval(confidence)
    assert spread(ours, confidence).interval == pytest.approx((alone.low, alone.high))
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    assert found.deviation == pytest.approx(stats.tstd(differences))
    turned = [
        abs(sum(d if signs >> i & 1 else -d for i, d in enumerate(differences))) >= abs(sum(differences)) - 1e-12
        for signs in range(2**n)
    ]
    assert found.sign_flips == pytest.approx(sum(turned) / 2**n)


def test_one_value_has_neither_interval_nor_p():
    assert spread([0.5]) == (1, 0.5, None, None)
    assert paired([0.5], [0.25]) == (1, 0.25, None, None, None, None)


def test_what_does_not_vary_has_no_t_test_and_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same = paired([0.1, 0.2, 0.3], [0.1, 0.2, 0.3])
        apart = paired([0.3, 0.4], [0.1, 0.2])  # 0.2 both times, but for rounding
        assert spread([0.1, 0.1, 0.1]).interval == (pytest.approx(0.1), pytest.approx(0.1))
    assert (same.mean, same.interval, same.t_test, same.sign_flips) == (0, (0, 0), None, 1)
    assert (apart.t_test, apart.sign_flips) == (None, 0.5)


def test_many_pairs_have_the_t_test_alone():
    values = [index / 100 for index in range(EXACT + 1)]
    zeros = [0.0] * len(values)
    assert paired(values, zeros).sign_flips is None
    assert paired(values, zeros).t_test == pytest.approx(stats.ttest_rel(values, zeros).pvalue)
    assert paired(values[1:], zeros[1:]).sign_flips == pytest.approx(2 / 2**EXACT)


def test_holm_worked_out_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, None, 0.6]) == [1.0, None, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_pairs_must_be_pairs():
    with refused(ValueError, names=("values", "none")):
        spread([])
    with pytest.raises(ValueError):
        paired([0.1, 0.2], [0.1])


def test_mean_and_deviation():
    assert mean_and_deviation([0.7, 0.72, 0.74]) == (pytest.approx(0.72), pytest.approx(0.02))


def test_a_deviation_within_groups_worked_out_by_hand():
    # squares 2 and 8, with 1 and 2 degrees of freedom
    assert deviation_within([[1.0, 3.0], [5.0, 7.0, 9.0], [4.0]]) == pytest.approx(math.sqrt(10 / 3))
    assert deviation_within([[4.0], []]) is None
