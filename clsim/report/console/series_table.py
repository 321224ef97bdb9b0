"""Finished runs on one stream, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from rich.console import Console

from clsim.experiment.events import Results
from clsim.report.console.parts import print_line, print_notices, print_table
from clsim.report.figures import SPREAD, done_of, over_seeds
from clsim.report.table import NOTHING, Column, Table, column, signed
from clsim.report.upgrades import print_upgrades
from clsim.results.figures import figure
from clsim.utils.numbers import finite
from clsim.utils.text import clean

FIGURES = ("final_accuracy", "ac", "am", "average_accuracy", "performance_drop", "average_forgetting")
"""Figures in columns, the most important first."""
COMPATIBILITY = ("ac", "am")
"""Figures that only some scenarios measure: no column if no run has them."""


def print_series(console: Console, rows: Sequence[Mapping[str, Any]], *, upgrades_by: str | None = None) -> None:
    """Print summaries side by side, then upgrades, then the notices of a stand-in and of validation.

    Args:
        console: Console to print to.
        rows: ``{"strategy": name, "seeds": [results, ...]}`` for each strategy; differences are to the first. Results
            without a final accuracy (interrupted, failed) show in the number of seeds.
        upgrades_by: Criterion of the compatibility matrix if the stream is one of upgrades.

    """
    if not rows:
        return
    everything: list[Results] = [results for row in rows for results in row["seeds"]]
    first: Results = next((r for r in everything if r.get("stands_in_for")), everything[0] if everything else {})
    validation = next((r["validation"] for r in everything if r.get("validation")), None)
    finals = [_values(row["seeds"], "final_accuracy") for row in rows]
    means = [fmean(values) if values else -1.0 for values in finals]
    scenario = clean(first.get("scenario", "comparison"))
    print_table(console, _table(scenario, rows, finals), strong=means.index(max(means)))
    if any(len(values) > 1 for values in finals):
        print_line(console, SPREAD, "dim")
    if upgrades_by:
        print_upgrades(console, rows, upgrades_by)
    print_notices(console, scenario, first.get("stands_in_for"), validation)


def _table(title: str, rows: Sequence[Mapping[str, Any]], finals: Sequence[Sequence[float]]) -> Table:
    columns = [
        column("strategy", (clean(row["strategy"]) for row in rows), left=True),
        column("seeds", (done_of(len(v), len(row["seeds"])) for v, row in zip(finals, rows, strict=True))),
    ]
    for rank, key in enumerate(FIGURES, start=1):
        values = [_values(row["seeds"], key) for row in rows]
        if any(values) or key not in COMPATIBILITY:
            columns.append(column(figure(key).short, map(over_seeds, values), rank=rank))
    reference = fmean(finals[0]) if finals[0] else None
    gaps = (signed(fmean(v) - reference) if v and reference is not None else NOTHING for v in finals[1:])
    return Table(title, (*columns, Column("to first\n(points)", (NOTHING, *gaps))))


def _values(seeds: Sequence[Results], key: str) -> list[float]:
    known = (finite((results.get("summary") or {}).get(key)) for results in seeds)
    return [value for value in known if value is not None]
