"""Bootstrap intervals of means over queries, whole clusters at a time. Plain arrays in, numbers out."""

from __future__ import annotations

from math import ceil, inf
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

BLOCK = 1 << 22
"""Numbers drawn at once."""
KEPT = 1 << 25
"""Weights kept for further figures of the same queries: 128 MiB."""


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


class Resamples:
    r"""Resamples of queries, drawn once for many figures of the same queries.

    Queries of one class are alike, so clusters are drawn with replacement as a whole. Every figure meets the same
    draws, so the interval of a difference or a ratio of two arrangements takes account of their correlation.

    Args:
        clusters: Cluster of each query, such as its label, ``(Q,)``.
        confidence: Confidence level of the percentile intervals.
        resamples: Number of resamples.
        seed: Seed of the draws.

    Raises:
        ValueError: There is no query, or a setting is out of range.

    Source: Efron and Tibshirani 1993, chapter 13; clusters as in Davison and Hinkley 1997, section 3.8.

    Example:
        >>> resamples = Resamples(range(400))
        >>> resamples.ratio([1.0, 3.0] * 200, [2.0, 6.0] * 200)
        Estimate(value=0.5, low=0.5, high=0.5)

    """

    def __init__(
        self,
        clusters: Sequence[int] | NDArray[Any],
        *,
        confidence: float = 0.95,
        resamples: int = 2000,
        seed: int = 0,
    ) -> None:
        import numpy as np

        groups = np.asarray(clusters)
        if groups.ndim != 1 or not len(groups):
            raise ValueError(f"expected clusters (Q,), got shape {groups.shape}")
        if not 0 < confidence < 1 or resamples < 1:
            raise ValueError(f"expected a confidence in (0, 1) and a resample, got {confidence} and {resamples}")
        self._groups = np.unique(groups, return_inverse=True)[1].reshape(-1)
        self._count = int(self._groups.max()) + 1
        self._bounds = (1 - confidence) / 2, (1 + confidence) / 2
        self._resamples = resamples
        self._seed = seed
        self._kept: list[NDArray[Any]] | None = None

    def mean(self, values: Sequence[float] | NDArray[Any]) -> Estimate:
        """Return the mean of a figure and its interval.

        Args:
            values: Figure of each query, ``(Q,)``. NaN marks queries that do not count.

        Raises:
            ValueError: No value counts, or the shape differs from that of the clusters.

        Example:
            >>> Resamples([0, 1]).mean([1.0, float("nan")])
            Estimate(value=1.0, low=1.0, high=1.0)

        """
        import numpy as np

        return self.ratio(values, np.ones(len(self._groups)))

    def ratio(self, numerator: Sequence[float] | NDArray[Any], denominator: Sequence[float] | NDArray[Any]) -> Estimate:
        r"""Return the ratio of two sums over queries and its interval.

        .. math:: m^* = \sum_c w_c N_c \, / \sum_c w_c D_c

        with the weights :math:`w` of a resample and the sums :math:`N_c` and :math:`D_c` over a cluster. Resamples
        whose denominator is 0 are left out.

        Args:
            numerator: Figure of each query, ``(Q,)``. A query with NaN in either does not count.
            denominator: Figure of each query, ``(Q,)``.

        Raises:
            ValueError: No query counts, shapes differ, or the denominators' sum is 0.

        """
        import numpy as np

        above, below = (np.asarray(each, dtype=np.float64) for each in (numerator, denominator))
        if above.shape != self._groups.shape or below.shape != self._groups.shape:
            shapes = f"{above.shape} and {below.shape}"
            raise ValueError(f"expected values and clusters of shape {self._groups.shape}, got {shapes}")
        counted = ~(np.isnan(above) | np.isnan(below))
        if not counted.any():
            raise ValueError("values: expected at least one number that is not NaN")
        group = self._groups[counted]
        parts = np.stack([np.bincount(group, part[counted], self._count) for part in (above, below)], axis=1)
        whole = parts.sum(axis=0)
        if not whole[1]:
            raise ValueError("denominator: expected a sum other than 0")
        sums = np.concatenate([weights @ parts for weights in self._weights()])
        sums = sums[sums[:, 1] != 0]
        low, high = np.quantile(sums[:, 0] / sums[:, 1], self._bounds)
        return Estimate(float(whole[0] / whole[1]), float(low), float(high))

    def _weights(self) -> Iterator[NDArray[Any]]:
        """Yield how often each cluster is in each of some resamples, ``(R, C)``."""
        import numpy as np

        if self._kept is not None:
            yield from self._kept
            return
        kept = list[Any]()
        random, step = np.random.default_rng(self._seed), max(1, BLOCK // self._count)
        for start in range(0, self._resamples, step):
            rows = min(step, self._resamples - start)
            drawn = random.integers(0, self._count, (rows, self._count))
            drawn += np.arange(rows)[:, None] * self._count
            weights = np.bincount(drawn.reshape(-1), minlength=rows * self._count).reshape(rows, -1).astype(np.float32)
            kept.append(weights)
            yield weights
        if self._resamples * self._count <= KEPT:
            self._kept = kept


def bootstrap_mean(
    values: Sequence[float] | NDArray[Any],
    clusters: Sequence[int] | NDArray[Any] | None = None,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    r"""Return the mean of a figure over queries, with its percentile bootstrap interval.

    Queries of one class are alike, so clusters are drawn with replacement as a whole, see :class:`Resamples`. For the
    interval of a difference between two arrangements, give the differences of each query.

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
    counted = ~np.isnan(numbers)
    if not counted.any():
        raise ValueError("values: expected at least one number that is not NaN")
    drawn = Resamples(groups[counted], confidence=confidence, resamples=resamples, seed=seed)
    return drawn.mean(numbers[counted])


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
