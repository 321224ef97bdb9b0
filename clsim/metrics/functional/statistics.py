"""Statistics over seeds: means, deviations, confidence intervals and paired tests. Plain numbers in and out.

Imports scipy only where a distribution is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from statistics import fmean, stdev
from typing import NamedTuple

EXACT = 10
"""Number of pairs up to which the sign-flip test enumerates all flips. With more pairs the t-test agrees with it."""
STILL = 1e-12
"""Deviation of fractions below which they count as constant: it is rounding error, on which no test is meaningful."""

Interval = tuple[float, float]


class Spread(NamedTuple):
    """Mean of several values and its uncertainty.

    Attributes:
        n: Number of values.
        mean: Mean of the values.
        deviation: Sample standard deviation, with n - 1; ``None`` for a single value.
        interval: Confidence interval of the mean; ``None`` for a single value.

    """

    n: int
    mean: float
    deviation: float | None
    interval: Interval | None


class Difference(NamedTuple):
    """Mean paired difference of two methods, its uncertainty and its significance; see :class:`Spread`.

    Attributes:
        n: Number of pairs.
        mean: Mean of the differences.
        deviation: Sample standard deviation of the differences.
        interval: Confidence interval of their mean.
        t_test: Two-sided p-value of the paired t-test; ``None`` for a single pair or constant differences.
        sign_flips: Two-sided p-value of the exact sign-flip test; ``None`` for a single pair or more than `EXACT`.

    """

    n: int
    mean: float
    deviation: float | None
    interval: Interval | None
    t_test: float | None
    sign_flips: float | None


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and sample standard deviation of at least two values.

    Example:
        >>> mean_and_deviation([0.5, 0.5])
        (0.5, 0.0)

    """
    return fmean(values), stdev(values)


def spread(values: Sequence[float], confidence: float = 0.95) -> Spread:
    """Return mean, sample deviation and Student's confidence interval of the mean.

    Constant values, such as those of a deterministic method, have an interval of width 0.

    Args:
        values: Finite numbers, at least one.
        confidence: Confidence level of the interval.

    Raises:
        ValueError: There are no values, or one is not finite.

    Example:
        >>> spread([0.7, 0.75, 0.8]).mean, spread([0.7]).interval
        (0.75, None)

    """
    if not len(values):
        raise ValueError("values: expected at least one number, got none")
    if not all(isfinite(value) for value in values):
        raise ValueError(f"values: expected finite numbers, got {list(values)}")
    if len(values) < 2:
        return Spread(1, values[0], None, None)
    mean, deviation = mean_and_deviation(values)
    if deviation < STILL:
        return Spread(len(values), mean, deviation, (mean, mean))
    from scipy import stats

    low, high = stats.t.interval(confidence, len(values) - 1, loc=mean, scale=deviation / len(values) ** 0.5)
    return Spread(len(values), mean, deviation, (float(low), float(high)))


def deviation_within(groups: Sequence[Sequence[float]]) -> float | None:
    r"""Return the standard deviation within groups, pooled over them.

    :math:`\sqrt{\sum_g \sum_i (x_{gi} - \bar x_g)^2 / \sum_g (n_g - 1)}`.

    Args:
        groups: Values of each group.

    Returns:
        The deviation; ``None`` if no group has two values.

    Example:
        >>> deviation_within([[1.0, 3.0], [11.0, 13.0]])
        1.4142135623730951

    """
    freedom = sum(len(values) - 1 for values in groups if values)
    if not freedom:
        return None
    squares = sum((value - fmean(values)) ** 2 for values in groups if values for value in values)
    return float((squares / freedom) ** 0.5)


def paired(ours: Sequence[float], theirs: Sequence[float], confidence: float = 0.95) -> Difference:
    r"""Return the differences of two methods over their common seeds, and p-values of two tests.

    The t-test assumes normal differences. The exact sign-flip test only assumes that a difference is as likely as its
    opposite under the null hypothesis; with `n` pairs its smallest p-value is :math:`2 / 2^n`.

    Args:
        ours: Values of the first method, one per seed.
        theirs: Values of the second method for the same seeds, in the same order.
        confidence: Confidence level of the interval.

    Raises:
        ValueError: There are no values, one is not finite, or the two differ in length.

    Example:
        >>> difference = paired([0.7, 0.75, 0.8], [0.6, 0.65, 0.72])
        >>> difference.n, difference.sign_flips
        (3, 0.25)

    """
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    count, mean, deviation, interval = spread(differences, confidence)
    if deviation is None:
        return Difference(count, mean, deviation, interval, None, None)
    from scipy import stats

    t_test = None if deviation < STILL else float(stats.ttest_rel(ours, theirs).pvalue)
    if count > EXACT:
        return Difference(count, mean, deviation, interval, t_test, None)
    flips = stats.permutation_test(
        (ours, theirs), _mean_difference, permutation_type="samples", vectorized=True, n_resamples=2**count
    )
    return Difference(count, mean, deviation, interval, t_test, float(flips.pvalue))


def _mean_difference(ours: object, theirs: object, axis: int) -> object:
    import numpy as np

    return np.mean(np.subtract(ours, theirs), axis=axis)  # type: ignore[call-overload]


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values after Holm's correction for multiple tests; ``None`` stays ``None``.

    Controls the probability of any false rejection among all tests.

    Args:
        p_values: Uncorrected p-values; ``None`` for a test that was not run.

    Example:
        >>> holm([0.01, 0.04, None, 0.03])
        [0.03, 0.06, None, 0.06]

    Source: Holm, Scandinavian Journal of Statistics 6 (1979).

    """
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    least = 0.0
    for rank, (p, place) in enumerate(known):
        least = max(least, min(1.0, p * (len(known) - rank)))
        corrected[place] = least
    return corrected
