"""Strategies over their seeds, and the differences of pairs of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from clsim.metrics.functional.statistics import Difference, Spread, holm, paired
from clsim.report.compare.runs import Run
from clsim.results.figures import figure, session_of


@dataclass(frozen=True)
class StrategyRuns:
    """The runs of one strategy.

    Attributes:
        name: Name of the strategy.
        runs: Runs by seed.
        figures: Value by seed of each figure.
        spreads: Mean, deviation and interval of each figure.

    """

    name: str
    runs: tuple[Run, ...]
    figures: dict[str, dict[int, float]]
    spreads: dict[str, Spread]

    @property
    def seeds(self) -> list[int]:
        """Seeds of the runs."""
        return [run.seed for run in self.runs]


@dataclass(frozen=True)
class Tested:
    """A difference, and its p-values after Holm's correction over all pairs of strategies."""

    difference: Difference
    t_test_holm: float | None
    sign_flips_holm: float | None


@dataclass(frozen=True)
class Pair:
    """Differences of the first strategy minus the second by figure, over the seeds that both have."""

    first: str
    second: str
    seeds: list[int]
    figures: dict[str, Tested]

    def to_dict(self) -> dict[str, Any]:
        """Return the pair as JSON values."""
        figures = {
            key: {
                **tested.difference._asdict(),
                "t_test_holm": tested.t_test_holm,
                "sign_flips_holm": tested.sign_flips_holm,
            }
            for key, tested in self.figures.items()
        }
        return {"first": self.first, "second": self.second, "seeds": self.seeds, "figures": figures}


def chosen_pairs(strategies: Sequence[StrategyRuns], against: str | None) -> list[tuple[StrategyRuns, StrategyRuns]]:
    """Return each pair of strategies, or each other strategy with `against`."""
    if against is None:
        return list(combinations(strategies, 2))
    (other,) = (strategy for strategy in strategies if strategy.name == against)
    return [(strategy, other) for strategy in strategies if strategy is not other]


def pairs_of(chosen: Sequence[tuple[StrategyRuns, StrategyRuns]], confidence: float) -> list[Pair]:
    """Return the differences of pairs of strategies, the first minus the second."""
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


def _differences(first: StrategyRuns, second: StrategyRuns, confidence: float) -> dict[str, Difference]:
    found = {}
    for key, values in first.figures.items():
        if session_of(key) is None and figure(key).group == "cost":
            continue  # costs are facts of a machine and a budget, not a result to test
        others = second.figures.get(key, {})
        if common := [seed for seed in values if seed in others]:
            found[key] = paired([values[seed] for seed in common], [others[seed] for seed in common], confidence)
    return found
