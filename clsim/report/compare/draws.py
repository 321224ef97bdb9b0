"""Strategies over the draws of the shots: means, deviations, intervals and differences in pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from clsim.metrics.functional.statistics import Difference, Spread, deviation_within, paired, spread
from clsim.report.compare.pairs import StrategyRuns
from clsim.results.figures import session_of

BySeed = dict[int, list[float]]
"""Values of a figure over the draws of each seed."""


class Repeated(NamedTuple):
    """A figure of a strategy over draws.

    Attributes:
        draws: Number of draws of all seeds together.
        deviation: Standard deviation over the draws of one seed, pooled over the seeds.
        spread: Mean and interval. With one seed over its draws; with several over the means of the seeds, since draws
            of one seed share a base session.

    """

    draws: int
    deviation: float | None
    spread: Spread


class PairOverDraws(NamedTuple):
    """Differences of the first strategy minus the second by figure, on the draws that both have."""

    first: str
    second: str
    figures: dict[str, Difference]


def repeated_of(strategy: StrategyRuns, confidence: float) -> dict[str, Repeated]:
    """Return every figure of whole runs over the draws; empty if the runs have none."""
    found = {}
    for key, values in _values(strategy).items():
        own = spread(_units(values), confidence)
        found[key] = Repeated(sum(map(len, values.values())), deviation_within(list(values.values())), own)
    return found


def pairs_over_draws(chosen: Sequence[tuple[StrategyRuns, StrategyRuns]], confidence: float) -> list[PairOverDraws]:
    """Return the paired differences over draws of each pair of strategies that has any."""
    found = []
    for first, second in chosen:
        ours, theirs = _values(first), _values(second)
        figures = {}
        for key in (key for key in ours if key in theirs):
            gaps = _differences(ours[key], theirs[key])
            if gaps:
                units = _units(gaps)
                figures[key] = paired(units, [0.0] * len(units), confidence)
        if figures:
            found.append(PairOverDraws(first.name, second.name, figures))
    return found


def _units(values: Mapping[int, Sequence[float]]) -> list[float]:
    """Return the independent values: those of the draws of a single seed, or the means of several seeds."""
    if len(values) == 1:
        return list(next(iter(values.values())))
    return [fmean(each) for each in values.values()]


def _differences(ours: BySeed, theirs: BySeed) -> BySeed:
    """Return the differences by seed; seeds with another number of draws are left out."""
    common = [seed for seed in ours if len(ours[seed]) == len(theirs.get(seed, ()))]
    return {seed: [a - b for a, b in zip(ours[seed], theirs[seed], strict=True)] for seed in common}


def _values(strategy: StrategyRuns) -> dict[str, BySeed]:
    found: dict[str, BySeed] = {}
    for run in strategy.runs:
        block: Mapping[str, Any] = run.results.get("draws") or {}
        for key, figure in (block.get("figures") or {}).items():
            values = figure["values"]
            if session_of(key) is None and None not in values:
                found.setdefault(key, {})[run.seed] = values
    return found
