"""What several seeds say: means, deviations, intervals, and differences in pairs. Plain numbers in and out.

scipy is imported where a distribution is needed, and not before.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from statistics import fmean, stdev
from typing import NamedTuple

EXACT = 10
"""Pairs up to which every flip of signs is tried; with more the t-test says the same."""
STILL = 1e-12
"""A deviation below which fractions do not vary: what is left of rounding, in which no test finds anything."""

Interval = tuple[float, float]


class Spread(NamedTuple):
    """What several values say of their mean.

    Attributes:
        n: number of values.
        mean: of them.
        deviation: of the sample, over n - 1; ``None`` of a single value.
        interval: that holds the mean of all seeds with the confidence asked for; ``None`` likewise.

    """

    n: int
    mean: float
    deviation: float | None
    interval: Interval | None


class Difference(NamedTuple):
    """What pairs of values of the same seeds say of their difference; see :class:`Spread`.

    Attributes:
        n: number of pairs.
        mean: of the differences.
        deviation: of the differences.
        interval: of their mean.
        t_test: two-sided p of the paired t-test; ``None`` of a single pair, and where the differences do not vary.
        sign_flips: two-sided p of all flips of their signs; ``None`` of a single pair, and of more than `EXACT`.

    """

    n: int
    mean: float
    deviation: float | None
    interval: Interval | None
    t_test: float | None
    sign_flips: float | None


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample deviation of at least two values."""
    return fmean(values), stdev(values)


def spread(values: Sequence[float], confidence: float = 0.95) -> Spread:
    """Mean, sample deviation and Student's interval of the mean.

    Values that do not vary have an interval without width: a method in which nothing is random.

    Raises:
        ValueError: there are none, or one is no number.

    Example:
        >>> spread([0.7, 0.75, 0.8]).mean, spread([0.7]).interval
        (0.75, None)

    """
    if not len(values):
        raise ValueError("there are no values")
    if not all(isfinite(value) for value in values):
        raise ValueError(f"values are numbers; got {list(values)}")
    if len(values) < 2:
        return Spread(1, values[0], None, None)
    mean, deviation = mean_and_deviation(values)
    if deviation < STILL:
        return Spread(len(values), mean, deviation, (mean, mean))
    from scipy import stats

    low, high = stats.t.interval(confidence, len(values) - 1, loc=mean, scale=deviation / len(values) ** 0.5)
    return Spread(len(values), mean, deviation, (float(low), float(high)))


def paired(ours: Sequence[float], theirs: Sequence[float], confidence: float = 0.95) -> Difference:
    r"""Differences of two methods over the seeds that both have, and whether chance alone would bring them about.

    The t-test takes the differences for normal. The exact test asks only that a difference be as likely as its
    opposite if the methods are alike; of `n` pairs it has no p below :math:`2 / 2^n`.

    Args:
        ours: values by seed.
        theirs: of the same seeds, in the same order.
        confidence: of the interval.

    Raises:
        ValueError: there are none, one is no number, or they are not as many.

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
    """Holm's correction of several p-values, so that all of them together err as seldom as one; gaps stay.

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
