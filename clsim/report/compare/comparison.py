"""The comparison itself: figures by strategy over seeds, differences in pairs, published rows, and what to know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clsim.config.evaluation import Published
from clsim.metrics.functional.compatibility import update_gain
from clsim.metrics.functional.statistics import spread
from clsim.report.compare.agreement import check_agreement
from clsim.report.compare.notes import on_differences, on_runs
from clsim.report.compare.pairs import Pair, Strategy, pairs_of
from clsim.report.compare.runs import Run, check_once, read_runs
from clsim.report.upgrades import REFERENCES
from clsim.results.figures import INDEPENDENT_GAIN, figure, ordered
from clsim.results.run_figures import published_figures
from clsim.utils.arguments import checked
from clsim.utils.errors import ArgumentError, UserError
from clsim.utils.files import from_home
from clsim.utils.text import describe, nearest


@dataclass(frozen=True)
class PublishedRow:
    """A row of a paper: its figures under our names, and where they stand."""

    source: str
    figures: dict[str, float]


@dataclass(frozen=True)
class Comparison:
    """What came out.

    Attributes:
        scenario: its name, or their names.
        confidence: of the intervals.
        stands_in_for: why a stand-in ran, where one did.
        validation: the held-out training images that the runs were measured on; ``None``: test images.
        strategies: in the order in which they were named.
        pairs: of strategies that were compared.
        published: rows of papers by method, those of methods that did not run too.
        on_runs: what to know of the runs.
        on_differences: what to know of the pairs.

    """

    scenario: str
    confidence: float
    stands_in_for: dict[str, Any] | None
    validation: dict[str, Any] | None
    strategies: list[Strategy]
    pairs: list[Pair]
    published: dict[str, PublishedRow]
    on_runs: list[str]
    on_differences: list[str]

    @property
    def notes(self) -> list[str]:
        """What to know of all this."""
        return [*self.on_runs, *self.on_differences]

    @property
    def figures(self) -> list[str]:
        """Names of all figures that a run has, in the order in which they are shown."""
        return ordered(key for strategy in self.strategies for key in strategy.spreads)

    def gap(self, strategy: Strategy, key: str) -> float | None:
        """Our mean minus the published figure of the same method, where both are known."""
        row = self.published.get(strategy.name)
        if row is None or key not in row.figures or key not in strategy.spreads:
            return None
        return strategy.spreads[key].mean - row.figures[key]

    def to_dict(self) -> dict[str, Any]:
        """For machines; figures are fractions."""
        return {
            "scenario": self.scenario,
            "confidence": self.confidence,
            "stands_in_for": self.stands_in_for,
            "validation": self.validation,
            "labels": {key: figure(key).label_of_run for key in self.figures},
            "strategies": [
                {
                    "strategy": strategy.name,
                    "seeds": strategy.seeds,
                    "runs": [str(run.path) for run in strategy.runs],
                    "figures": {
                        key: {
                            "by_seed": {str(seed): value for seed, value in strategy.figures[key].items()},
                            **found._asdict(),
                            "minus_published": self.gap(strategy, key),
                        }
                        for key, found in strategy.spreads.items()
                    },
                }
                for strategy in self.strategies
            ],
            "differences": [
                {
                    "first": pair.first,
                    "second": pair.second,
                    "seeds": pair.seeds,
                    "figures": {
                        key: {
                            **tested.difference._asdict(),
                            "t_test_holm": tested.t_test_holm,
                            "sign_flips_holm": tested.sign_flips_holm,
                        }
                        for key, tested in pair.figures.items()
                    },
                }
                for pair in self.pairs
            ],
            "published": {name: {"source": row.source, "figures": row.figures} for name, row in self.published.items()},
            "notes": self.notes,
        }


@checked
def compare(
    paths: Iterable[str | Path],
    *,
    confidence: float = 0.95,
    against: str | None = None,
    incomplete: bool = False,
    latest: bool = False,
) -> Comparison:
    """Runs of one experiment, side by side.

    Args:
        paths: directories that runs left; strategies are shown in the order in which they are met.
        confidence: of the intervals, between 0 and 1.
        against: compare the others with this strategy alone, not each with each.
        incomplete: take also runs that are not complete, with the figures of the sessions that ended.
        latest: of the runs of one strategy and seed take the one that was begun last.

    Raises:
        UserError: a run is missing or damaged, is not complete, is there twice, or is of another experiment.

    """
    if not 0 < confidence < 1:
        raise UserError(f"the confidence is {confidence}", fix="a number between 0 and 1, for instance 0.95")
    named = [paths] if isinstance(paths, str | Path) else paths
    folders = list(named) if isinstance(named, Iterable) else []
    if not isinstance(named, Iterable) or not all(isinstance(path, str | Path) for path in folders):
        what = f"compare: paths: expected the directories that runs left, got {describe(paths)}"
        raise ArgumentError(what)
    runs = read_runs([from_home(path, str(path)) for path in folders], incomplete=incomplete, latest=latest)
    check_agreement(runs)
    check_once(runs)  # two that differ have been told by what differs
    strategies = [_strategy(name, runs, confidence) for name in dict.fromkeys(run.strategy for run in runs)]
    names = [strategy.name for strategy in strategies]
    if against is not None and against not in names:
        near = nearest(against, names)
        fix = f"did you mean '{near}'?" if near else f"they are of {', '.join(names)}"
        raise UserError(f"none of the runs is of '{against}'", where="--against", fix=fix)
    pairs = pairs_of(strategies, confidence, against)
    stands_in = next((run.results["stands_in_for"] for run in runs if run.results["stands_in_for"]), None)
    compared = [(pair.first, pair.second, pair.seeds) for pair in pairs]
    return Comparison(
        scenario=", ".join(dict.fromkeys(str(run.results["scenario"]) for run in runs)),
        confidence=confidence,
        stands_in_for=stands_in,
        validation=runs[0].validation,
        strategies=strategies,
        pairs=pairs,
        published=_published(runs),
        on_runs=list(on_runs(runs)),
        on_differences=list(on_differences(runs, compared)),
    )


def _strategy(name: str, runs: Sequence[Run], confidence: float) -> Strategy:
    own = sorted((run for run in runs if run.strategy == name), key=lambda run: run.seed)
    figures: dict[str, dict[int, float]] = {}
    for run in own:
        for key, value in {**run.figures, **_gain(run, runs)}.items():
            figures.setdefault(key, {})[run.seed] = value
    spreads = {key: spread(list(values.values()), confidence) for key, values in figures.items()}
    return Strategy(name, tuple(own), figures, spreads)


def _gain(run: Run, runs: Sequence[Run]) -> dict[str, float]:
    """The update gain by the new model of the reference's run with the same seed, where there is one."""
    criterion = run.scenario.upgrades_by if run.scenario else None
    reference = next((r.figures for r in runs if r.strategy in REFERENCES and r.seed == run.seed), {})
    known = [run.figures.get(f"{criterion}.new_old"), run.figures.get(f"{criterion}.old_old")]
    known.append(reference.get(f"{criterion}.new_new"))
    new_old, old_old, upper = known
    if new_old is None or old_old is None or upper is None:
        return {}
    gain = update_gain(new_old, old_old, upper)
    return {} if gain is None else {INDEPENDENT_GAIN: gain}


def _published(runs: Sequence[Run]) -> dict[str, PublishedRow]:
    """The rows of the scenario; of those that runs tell differently, the first one's.

    They are of test images: beside figures of others there are none.
    """
    if runs[0].validation:
        return {}
    rows: dict[str, Published] = {}
    for run in runs:
        rows = {**(run.scenario.published if run.scenario else {}), **rows}
    sessions = max(run.sessions for run in runs)
    return {name: PublishedRow(row.source, published_figures(row, sessions)) for name, row in rows.items()}
