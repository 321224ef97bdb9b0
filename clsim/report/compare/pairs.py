"""Strategies over their seeds, and the differences of two of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from clsim.metrics.functional.statistics import Difference, Spread, holm, paired
from clsim.report.compare.runs import Run


@dataclass(frozen=True)
class Strategy:
    """One strategy and what its seeds say.

    Attributes:
        name: of the strategy.
        runs: its runs, by seed.
        figures: value by seed, by figure.
        spreads: of them, by figure.

    """

    name: str
    runs: tuple[Run, ...]
    figures: dict[str, dict[int, float]]
    spreads: dict[str, Spread]

    @property
    def seeds(self) -> list[int]:
        """Of its runs."""
        return [run.seed for run in self.runs]


@dataclass(frozen=True)
class Tested:
    """A difference, and its p-values after Holm's correction over all pairs of strategies."""

    difference: Difference
    t_test_holm: float | None
    sign_flips_holm: float | None


@dataclass(frozen=True)
class Pair:
    """The first strategy minus the second, by figure, over the seeds that both have."""

    first: str
    second: str
    seeds: list[int]
    figures: dict[str, Tested]


def pairs_of(strategies: Sequence[Strategy], confidence: float, against: str | None) -> list[Pair]:
    """Each strategy minus each that comes after it, or each other minus `against`."""
    if against is None:
        chosen = list(combinations(strategies, 2))
    else:
        (other,) = (strategy for strategy in strategies if strategy.name == against)
        chosen = [(strategy, other) for strategy in strategies if strategy is not other]
    found = [_differences(first, second, confidence) for first, second in chosen]
    corrected: list[dict[str, Tested]] = [{} for _ in found]
    for key in dict.fromkeys(key for differences in found for key in differences):
        having = [place for place, differences in enumerate(found) if key in differences]
        tests = [found[place][key] for place in having]
        by_t, by_flips = holm([test.t_test for test in tests]), holm([test.sign_flips for test in tests])
        for place, test, t, flips in zip(having, tests, by_t, by_flips, strict=True):
            corrected[place][key] = Tested(test, t, flips)
    return [
        Pair(first.name, second.name, sorted(set(first.seeds) & set(second.seeds)), figures)
        for (first, second), figures in zip(chosen, corrected, strict=True)
    ]


def _differences(first: Strategy, second: Strategy, confidence: float) -> dict[str, Difference]:
    found = {}
    for key, values in first.figures.items():
        others = second.figures.get(key, {})
        if common := [seed for seed in values if seed in others]:
            pairs = [values[seed] for seed in common], [others[seed] for seed in common]
            found[key] = paired(*pairs, confidence)
    return found
