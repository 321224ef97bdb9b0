"""The comparison: figures by strategy over seeds, differences in pairs, published rows and notes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clsim.config.evaluation import Published
from clsim.metrics.functional.compatibility import update_gain
from clsim.metrics.functional.statistics import spread
from clsim.report.compare.agreement import check_agreement
from clsim.report.compare.draws import PairOverDraws, Repeated, pairs_over_draws, repeated_of
from clsim.report.compare.notes import on_differences, on_runs
from clsim.report.compare.pairs import Pair, StrategyRuns, chosen_pairs, pairs_of
from clsim.report.compare.runs import Run, check_once, read_runs
from clsim.report.upgrades import REFERENCES
from clsim.results.figures import INDEPENDENT_GAIN, figure, ordered, session_of
from clsim.results.run_figures import published_figures
from clsim.utils.arguments import checked
from clsim.utils.errors import ArgumentError, UserError
from clsim.utils.files import from_home
from clsim.utils.text import describe, nearest


@dataclass(frozen=True)
class PublishedRow:
    """A row of a paper: its figures under our names, and its source."""

    source: str
    figures: dict[str, float]


@dataclass(frozen=True)
class Comparison:
    """Result of a comparison.

    Attributes:
        scenario: Name of the scenario, or names.
        confidence: Confidence of the intervals.
        stands_in_for: Scenario that a stand-in replaced, and why; None without a stand-in.
        validation: Held-out training images that the runs were evaluated on; None for test images.
        strategies: Strategies in the order of the directories.
        pairs: Pairs of strategies.
        published: Rows of papers by method, including methods that did not run.
        repeated: Figures over draws of the shots by strategy; empty for runs without draws.
        pairs_over_draws: Differences of pairs of strategies over draws.
        on_runs: Notes on the runs.
        on_differences: Notes on the pairs.

    """

    scenario: str
    confidence: float
    stands_in_for: dict[str, Any] | None
    validation: dict[str, Any] | None
    strategies: list[StrategyRuns]
    pairs: list[Pair]
    published: dict[str, PublishedRow]
    on_runs: list[str]
    on_differences: list[str]
    repeated: dict[str, dict[str, Repeated]]
    pairs_over_draws: list[PairOverDraws]

    @property
    def notes(self) -> list[str]:
        """All notes."""
        return [*self.on_runs, *self.on_differences]

    @property
    def figures(self) -> list[str]:
        """Names of all figures that a run has, in the order of display."""
        return ordered(key for strategy in self.strategies for key in strategy.spreads)

    @property
    def whole_figures(self) -> list[str]:
        """Names of the figures of whole runs, without their costs."""
        return [key for key in self.figures if session_of(key) is None and figure(key).group != "cost"]

    @property
    def costs(self) -> list[str]:
        """Names of the costs of whole runs."""
        return [key for key in self.figures if session_of(key) is None and figure(key).group == "cost"]

    @property
    def other_methods(self) -> dict[str, PublishedRow]:
        """Published rows of methods that did not run."""
        ran = {strategy.name for strategy in self.strategies}
        return {name: row for name, row in self.published.items() if name not in ran}

    def published_figure(self, method: str, key: str) -> float | None:
        """Return the published figure of a method; None if there is none."""
        row = self.published.get(method)
        return row.figures.get(key) if row else None

    def gap(self, strategy: StrategyRuns, key: str) -> float | None:
        """Return our mean minus the published figure of the same method; None if one is missing."""
        published = self.published_figure(strategy.name, key)
        return None if published is None or key not in strategy.spreads else strategy.spreads[key].mean - published

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values; figures are fractions."""
        return {
            "scenario": self.scenario,
            "confidence": self.confidence,
            "stands_in_for": self.stands_in_for,
            "validation": self.validation,
            "labels": {key: figure(key).label_of_run for key in self.figures},
            "strategies": [self._strategy(strategy) for strategy in self.strategies],
            "differences": [pair.to_dict() for pair in self.pairs],
            "draws": self._draws(),
            "published": {name: {"source": row.source, "figures": row.figures} for name, row in self.published.items()},
            "notes": self.notes,
        }

    def _draws(self) -> dict[str, Any]:
        """Return figures and differences over draws as JSON values; empty without draws."""
        if not any(self.repeated.values()):
            return {}
        strategies = {
            name: {
                key: {**each.spread._asdict(), "draws": each.draws, "deviation": each.deviation}
                for key, each in figures.items()
            }
            for name, figures in self.repeated.items()
        }
        pairs = [
            {**pair._asdict(), "figures": {key: each._asdict() for key, each in pair.figures.items()}}
            for pair in self.pairs_over_draws
        ]
        return {"strategies": strategies, "differences": pairs}

    def _strategy(self, strategy: StrategyRuns) -> dict[str, Any]:
        figures = {
            key: {
                "by_seed": {str(seed): value for seed, value in strategy.figures[key].items()},
                **found._asdict(),
                "minus_published": self.gap(strategy, key),
            }
            for key, found in strategy.spreads.items()
        }
        runs = [str(run.path) for run in strategy.runs]
        return {"strategy": strategy.name, "seeds": strategy.seeds, "runs": runs, "figures": figures}


@checked
def compare(
    paths: Iterable[str | Path],
    *,
    confidence: float = 0.95,
    against: str | None = None,
    incomplete: bool = False,
    latest: bool = False,
) -> Comparison:
    """Compare runs of one experiment.

    Args:
        paths: Run directories; strategies are shown in this order.
        confidence: Confidence of the intervals, between 0 and 1.
        against: Strategy that all others are compared with; None compares each with each.
        incomplete: Whether to include incomplete runs, with the figures of the sessions that ended.
        latest: Whether to use, of the runs of one strategy and seed, the one that was started last.

    Raises:
        UserError: A run is missing, damaged, incomplete, named twice, or of another experiment.

    """
    if not 0 < confidence < 1:
        raise UserError(f"the confidence is {confidence}", fix="a number between 0 and 1, for instance 0.95")
    named = [paths] if isinstance(paths, str | Path) else paths
    folders = list(named) if isinstance(named, Iterable) else []
    if not isinstance(named, Iterable) or not all(isinstance(path, str | Path) for path in folders):
        raise ArgumentError(f"compare: paths: expected run directories, got {describe(paths)}")
    runs = read_runs([from_home(path, str(path)) for path in folders], incomplete=incomplete, latest=latest)
    check_agreement(runs)
    check_once(runs)  # after the check above, which names the difference between two runs of one seed
    strategies = [_strategy(name, runs, confidence) for name in dict.fromkeys(run.strategy for run in runs)]
    names = [strategy.name for strategy in strategies]
    if against is not None and against not in names:
        near = nearest(against, names)
        fix = f"did you mean '{near}'?" if near else f"strategies of these runs: {', '.join(names)}"
        raise UserError(f"no run is of strategy '{against}'", where="--against", fix=fix)
    chosen = chosen_pairs(strategies, against)
    pairs = pairs_of(chosen, confidence)
    compared = [(pair.first, pair.second, pair.seeds) for pair in pairs]
    return Comparison(
        scenario=", ".join(dict.fromkeys(str(run.results["scenario"]) for run in runs)),
        confidence=confidence,
        stands_in_for=next((run.results["stands_in_for"] for run in runs if run.results["stands_in_for"]), None),
        validation=runs[0].validation,
        strategies=strategies,
        pairs=pairs,
        published=_published(runs),
        on_runs=list(on_runs(runs)),
        on_differences=list(on_differences(runs, compared)),
        repeated={strategy.name: repeated_of(strategy, confidence) for strategy in strategies},
        pairs_over_draws=pairs_over_draws(chosen, confidence),
    )


def _strategy(name: str, runs: Sequence[Run], confidence: float) -> StrategyRuns:
    own = sorted((run for run in runs if run.strategy == name), key=lambda run: run.seed)
    figures: dict[str, dict[int, float]] = {}
    for run in own:
        for key, value in {**run.figures, **_gain(run, runs)}.items():
            figures.setdefault(key, {})[run.seed] = value
    spreads = {key: spread(list(values.values()), confidence) for key, values in figures.items()}
    return StrategyRuns(name, tuple(own), figures, spreads)


def _gain(run: Run, runs: Sequence[Run]) -> dict[str, float]:
    """Return the update gain by the new model of the reference's run with the same seed, if there is one."""
    criterion = run.scenario.upgrades_by if run.scenario else None
    reference = next((r.figures for r in runs if r.strategy in REFERENCES and r.seed == run.seed), {})
    new_old, old_old = (run.figures.get(f"{criterion}.{part}") for part in ("new_old", "old_old"))
    upper = reference.get(f"{criterion}.new_new")
    if new_old is None or old_old is None or upper is None:
        return {}
    gain = update_gain(new_old, old_old, upper)
    return {} if gain is None else {INDEPENDENT_GAIN: gain}


def _published(runs: Sequence[Run]) -> dict[str, PublishedRow]:
    """Return the rows of the scenario; if runs disagree on a row, that of the first.

    Rows are of test images, so validation runs have none.
    """
    if runs[0].validation:
        return {}
    rows: dict[str, Published] = {}
    for run in runs:
        rows = {**(run.scenario.published if run.scenario else {}), **rows}
    sessions = max(run.sessions for run in runs)
    return {name: PublishedRow(row.source, published_figures(row, sessions)) for name, row in rows.items()}
