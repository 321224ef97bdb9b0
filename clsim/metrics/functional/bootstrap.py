"""Bootstrap intervals of means over queries, whole clusters at a time. Plain arrays in, numbers out."""

from __future__ import annotations

from math import ceil, inf
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BLOCK = 1 << 22
"""Numbers drawn at once."""


class Estimate(NamedTuple):
    """Mean over queries and its interval.

    Attributes:
        value: Mean.
        low: Lower end of the interval.
        high: Upper end of the interval.

    """

    value: float
    low: float
    high: float


def bootstrap_mean(
    values: Sequence[float] | NDArray[Any],
    clusters: Sequence[int] | NDArray[Any] | None = None,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    r"""Return the mean of a figure over queries, with its percentile bootstrap interval.

    Queries of one class are alike, so clusters are drawn with replacement as a whole:

    .. math:: m^* = \sum_c w_c S_c \, / \sum_c w_c n_c, \quad w \sim \text{multinomial}(C)

    with the sum :math:`S_c` and the number :math:`n_c` of a cluster's values. For the interval of a difference between
    two arrangements, give the differences of each query.

    Args:
        values: Figure of each query, ``(Q,)``. NaN marks queries that do not count.
        clusters: Cluster of each query, such as its label, ``(Q,)``; None if each query stands alone.
        confidence: Confidence level.
        resamples: Number of resamples.
        seed: Seed of the draws; the same for two figures makes their resamples equal.

    Raises:
        ValueError: No value counts, the two arrays differ in shape, or a setting is out of range.

    Source: Efron and Tibshirani 1993, chapter 13; clusters as in Davison and Hinkley 1997, section 3.8.

    Example:
        >>> estimate = bootstrap_mean([0.0, 1.0] * 200)
        >>> estimate.value, 0.44 < estimate.low < 0.46 < 0.54 < estimate.high < 0.56
        (0.5, True)
        >>> bootstrap_mean([1.0, 1.0, 1.0])
        Estimate(value=1.0, low=1.0, high=1.0)

    """
    import numpy as np

    numbers = np.asarray(values, dtype=np.float64)
    groups = np.arange(len(numbers)) if clusters is None else np.asarray(clusters)
    if numbers.ndim != 1 or groups.shape != numbers.shape:
        raise ValueError(f"expected values (Q,) and clusters (Q,), got {numbers.shape} and {groups.shape}")
    if not 0 < confidence < 1 or resamples < 1:
        raise ValueError(f"expected a confidence in (0, 1) and a resample, got {confidence} and {resamples}")
    counted = ~np.isnan(numbers)
    if not counted.any():
        raise ValueError("values: expected at least one number that is not NaN")
    _, group = np.unique(groups[counted], return_inverse=True)
    sums, counts = np.bincount(group, numbers[counted]), np.bincount(group).astype(np.float64)
    random, number = np.random.default_rng(seed), len(sums)
    means = []
    for start in range(0, resamples, step := max(1, BLOCK // number)):
        weights = random.multinomial(number, np.full(number, 1 / number), size=min(step, resamples - start))
        means.append((weights @ sums) / (weights @ counts))
    low, high = np.quantile(np.concatenate(means), [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(float(sums.sum() / counts.sum()), float(low), float(high))


def queries_to_decide(difference: Estimate, queries: int) -> int | None:
    r"""Return the number of queries at which the interval of a difference would exclude zero.

    .. math:: n' = n \, (h / |d|)^2

    since an interval shrinks with the square root of the number of queries. :math:`h` is the distance of the mean
    :math:`d` to the end of its interval on the other side of zero.

    Args:
        difference: Mean difference of two arrangements over queries, with its interval.
        queries: Number of queries that it comes from.

    Returns:
        Number of queries, at least ``queries``; None if the difference is zero.

    Example:
        >>> queries_to_decide(Estimate(0.01, -0.01, 0.03), 1000)
        4000
        >>> queries_to_decide(Estimate(0.02, 0.01, 0.03), 1000)
        1000

    """
    mean, low, high = difference
    reach = mean - low if mean > 0 else high - mean
    ratio = reach / abs(mean) if mean else inf
    # Rounded first: 4000.000000000001 queries are 4000.
    return None if ratio == inf else max(queries, ceil(round(queries * ratio**2, 6)))
