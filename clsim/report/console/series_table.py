"""Several finished runs on one stream, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clsim.experiment.events import Results
from clsim.report.console.panels import stand_in_notice, validation_notice
from clsim.report.console.parts import LONGEST_NAME, OURS, plain_table, sign_style
from clsim.report.console.plain import aligned, stand_in_line, validation_line, write_line
from clsim.report.figures import DASH, SPREAD, done_of, finite, over_seeds, points
from clsim.report.table import GAP
from clsim.report.upgrades import upgrades
from clsim.utils.text import clean

FIGURES = {
    "final_accuracy": "final\naccuracy",
    "ac": "AC",
    "am": "AM",
    "average_accuracy": "average\naccuracy",
    "performance_drop": "drop",
    "average_forgetting": "forgetting",
}
"""Key and heading of each figure, the most important first."""
COMPATIBILITY = ("ac", "am")
"""Figures that only some scenarios measure: no column where no run has them."""


def series_table(console: Console, rows: Sequence[Mapping[str, Any]], *, upgrades_by: str | None = None) -> None:
    """Print the runs' summaries side by side, their upgrades if asked to, and a stand-in's notice last if one ran.

    Args:
        console: where to; in colour on a terminal, as plain lines elsewhere.
        rows: ``{"strategy": name, "seeds": [results, ...]}``, one for each strategy; differences are to the
            first row. Results without a final accuracy (interrupted, failed) show in the number of seeds.
        upgrades_by: criterion of the compatibility matrix, where the stream is one of upgrades.

    """
    if not rows:
        return
    finals = [_values(row["seeds"], "final_accuracy") for row in rows]
    columns: dict[str, list[str]] = {"strategy": [clean(row["strategy"]) for row in rows]}
    columns["seeds"] = [done_of(len(v), len(row["seeds"])) for v, row in zip(finals, rows, strict=True)]
    for key, heading in FIGURES.items():
        values = [_values(row["seeds"], key) for row in rows]
        if any(values) or key not in COMPATIBILITY:
            columns[heading] = list(map(over_seeds, values))
    columns["to first\n(points)"] = [DASH, *(points(_gap(v, finals[0])) for v in finals[1:])]

    first = _first_results(rows)
    scenario, missing = clean(first.get("scenario", "comparison")), first.get("stands_in_for")
    validation = next((r["validation"] for row in rows for r in row["seeds"] if r.get("validation")), None)
    spread = SPREAD if any(len(v) > 1 for v in finals) else ""
    if not console.is_terminal:
        headings = [heading.replace("\n", " ") for heading in columns]
        table = aligned(headings, list(zip(*columns.values(), strict=True)))
        for line in filter(None, (scenario, *table, spread)):
            write_line(console.file, line.replace("±", " +- "))
        if upgrades_by:
            upgrades(console, rows, upgrades_by)
        if missing:
            write_line(console.file, stand_in_line(scenario, missing))
        if validation:
            write_line(console.file, validation_line(validation))
        return
    means = [fmean(v) if v else -1.0 for v in finals]
    console.print(Text(f"\n{scenario}", "bold"))
    console.print(_table(columns, means.index(max(means)), console.width))
    if spread:
        console.print(Text(spread, "dim"))
    if upgrades_by:
        upgrades(console, rows, upgrades_by)
    if missing:
        console.print(stand_in_notice(scenario, missing))
    if validation:
        console.print(validation_notice(validation))


def _table(columns: Mapping[str, Sequence[str]], best: int, width: int) -> Table:
    """The table without its least important figures where it is wider than `width`; row `best` stands out."""
    shown = dict(columns)
    for heading in reversed([h for h in FIGURES.values() if h in shown]):
        names = min(max(map(len, shown["strategy"])), LONGEST_NAME)
        others = [(h, c) for h, c in shown.items() if h != "strategy"]
        if names + sum(GAP + max(map(len, [*h.split("\n"), *c])) for h, c in others) > width:
            del shown[heading]
    grid = plain_table()
    for heading in shown:
        name = heading == "strategy"
        grid.add_column(
            Text(heading, "bold"),
            justify="left" if name else "right",
            vertical="bottom",
            no_wrap=not name,
            overflow="fold",
        )
    *_, last = shown
    for index, row in enumerate(zip(*shown.values(), strict=True)):
        cells = [Text(c, sign_style(c) if h == last else "") for h, c in zip(shown, row, strict=True)]
        grid.add_row(*cells, style=f"bold {OURS}" if index == best else "")
    return grid


def _values(seeds: Sequence[Results], key: str) -> list[float]:
    known = (finite((results.get("summary") or {}).get(key)) for results in seeds)
    return [value for value in known if value is not None]


def _gap(values: Sequence[float], first: Sequence[float]) -> float | None:
    return fmean(values) - fmean(first) if values and first else None


def _first_results(rows: Sequence[Mapping[str, Any]]) -> Results:
    everything: list[Results] = [results for row in rows for results in row["seeds"]]
    return next((r for r in everything if r.get("stands_in_for")), everything[0] if everything else {})
