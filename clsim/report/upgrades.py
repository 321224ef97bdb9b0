"""What an upgrade brings and what it keeps: old/old, new/old and new/new of several strategies, by every criterion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clsim.experiment.events import Results
from clsim.metrics.functional.compatibility import update_gain
from clsim.report.console.parts import LONGEST_NAME, plain_table, sign_style
from clsim.report.console.plain import aligned, write_line
from clsim.report.figures import DASH, SPREAD, done_of, finite, over_seeds
from clsim.report.table import GAP
from clsim.results.upgrades import Upgrade, further_criteria, last_upgrade, tested
from clsim.utils.text import clean

REFERENCES = ("independent", "clip_independent")
"""The strategies whose new model an update gain is measured against (BCT, arXiv 2003.11942)."""
NAME, SEEDS, VERDICT, GAIN = "strategy", "seeds", "compatible", "update\ngain"
NEGATIVE, POSITIVE = "negative\nflips", "positive\nflips"
LEGEND = (
    "new/old: query by the new model, gallery by the old; compatible: above old/old",
    "update gain: (new/old - old/old) / (new/new of independent - old/old)",
)

Columns = dict[str, list[str]]
"""Headings, on one or two lines, and what stands below them."""


def upgrades(console: Console, rows: Sequence[Mapping[str, Any]], criterion: str) -> None:
    """Print one table for every criterion, the scenario's own first; of a chain of versions the last upgrade.

    Nothing is printed where no run compared two versions.

    Args:
        console: where to; in colour on a terminal, as plain lines elsewhere.
        rows: ``{"strategy": name, "seeds": [results, ...]}``, one for each strategy.
        criterion: that the compatibility matrix is of, which results do not name.

    """
    tables = []
    for name in (criterion, *further_criteria(rows, criterion)):
        columns, versions = upgrade_columns(rows, name, main=name == criterion)
        if versions > 1:
            which = f"upgrade from version {versions - 2} to {versions - 1}" if versions > 2 else "upgrade"
            tables.append((f"{which}, by {clean(name)}", columns))
    if not tables:
        return
    spread = any("±" in cell for _, columns in tables for cells in columns.values() for cell in cells)
    gains = any(GAIN in columns for _, columns in tables)
    legend = [LEGEND[0], *([LEGEND[1]] if gains else []), *([SPREAD] if spread else [])]
    if not console.is_terminal:
        for title, columns in tables:
            headings = [heading.replace("\n", " ") for heading in columns]
            for line in (title, *aligned(headings, list(zip(*columns.values(), strict=True)))):
                write_line(console.file, line.replace("±", " +- "))
        for line in legend:
            write_line(console.file, line)
        return
    for title, columns in tables:
        console.print(Text(f"\n{title}", "bold"))
        console.print(_table(_fitted(columns, console.width)))
    console.print(Text("\n" + "\n".join(legend), "dim"))


def upgrade_columns(rows: Sequence[Mapping[str, Any]], criterion: str, *, main: bool) -> tuple[Columns, int]:
    """The table of one criterion as text, and the number of versions.

    Args:
        rows: as :func:`upgrades` takes them.
        criterion: its name.
        main: whether it is the compatibility matrix's; flips are counted for that one alone.

    Returns:
        Columns; without seeds where each strategy ran once, and without gains where the reference did not run.
        Figures are means over the seeds that have them, a gain is the mean of those of each seed. 0 versions where
        no run was measured.

    """
    found = [[last_upgrade(results, None if main else criterion) for results in row["seeds"]] for row in rows]
    versions = max((upgrade.versions for row in found for upgrade in row if upgrade), default=0)
    # A run that broke off early made another upgrade, which is not to be put beside the others.
    found = [[upgrade if upgrade and upgrade.versions == versions else None for upgrade in row] for row in found]
    done = [[upgrade for upgrade in row if upgrade] for row in found]
    columns: Columns = {NAME: [clean(row["strategy"]) for row in rows]}
    if any(len(row) != 1 for row in done) or any(len(row) != 1 for row in found):
        columns[SEEDS] = [done_of(len(some), len(row)) for some, row in zip(done, found, strict=True)]
    columns["old/old"] = [over_seeds([upgrade.old_old for upgrade in row]) for row in done]
    columns["new/old"] = [over_seeds([upgrade.new_old for upgrade in row]) for row in done]
    columns["new/new"] = [over_seeds([upgrade.new_new for upgrade in row]) for row in done]
    columns[VERDICT] = [_verdict(row) for row in done]
    if any(row["strategy"] in REFERENCES for row in rows):
        columns[GAIN] = _gains(rows, found)
    if main:
        for heading, key in ((NEGATIVE, "negative_flip_rate"), (POSITIVE, "positive_flip_rate")):
            columns[heading] = [_flips(row["seeds"], some, key) for row, some in zip(rows, found, strict=True)]
    return columns, versions


def _verdict(done: Sequence[Upgrade]) -> str:
    """``yes`` or ``no`` where all seeds agree, else in how many it is."""
    held = sum(upgrade.compatible for upgrade in done)
    if not done:
        return DASH
    return {0: "no", len(done): "yes"}.get(held, f"{held} of {len(done)}")


def _gains(rows: Sequence[Mapping[str, Any]], found: Sequence[Sequence[Upgrade | None]]) -> list[str]:
    """The update gain of every strategy, each seed's by the reference's new model of that seed.

    A dash where it cannot be had of one of the seeds: the mean of the others would look like that of all.
    """
    upper: dict[Any, float] = {}
    for row, some in zip(rows, found, strict=True):
        if row["strategy"] in REFERENCES:
            upper = {r.get("seed"): u.new_new for r, u in zip(row["seeds"], some, strict=True) if u}
    cells = []
    for row, some in zip(rows, found, strict=True):
        gains = [
            update_gain(upgrade.new_old, upgrade.old_old, upper[results.get("seed")])
            if results.get("seed") in upper
            else None
            for results, upgrade in zip(row["seeds"], some, strict=True)
            if upgrade
        ]
        known = [gain for gain in map(finite, gains) if gain is not None]
        cells.append(over_seeds(known) if len(known) == len(gains) else DASH)
    return cells


def _flips(seeds: Sequence[Results], found: Sequence[Upgrade | None], key: str) -> str:
    """A rate of the last session, of the runs whose upgrade is shown."""
    rates = [finite(tested(results)[-1].get(key)) for results, u in zip(seeds, found, strict=True) if u]
    return over_seeds([rate for rate in rates if rate is not None])


def _fitted(columns: Columns, width: int) -> Columns:
    """The table in `width` characters: deviations below their means, and then without flips, where it is wider."""
    shown = dict(columns)
    if _width(shown) > width:
        shown.pop(SEEDS, None)  # the comparison above has them
    if _width(shown) > width:
        shown = {
            heading: cells if heading == NAME else [cell.replace("±", "%\n±") for cell in cells]
            for heading, cells in shown.items()
        }
    for heading in (POSITIVE, NEGATIVE):
        if _width(shown) > width:
            shown.pop(heading, None)
    return shown


def _width(columns: Columns) -> int:
    """Characters that a table needs if long names are folded."""
    lines = {h: [line for text in (h, *cells) for line in text.split("\n")] for h, cells in columns.items()}
    widths = {heading: max(map(len, texts)) for heading, texts in lines.items()}
    widths[NAME] = min(widths[NAME], LONGEST_NAME)
    return sum(widths.values()) + GAP * (len(widths) - 1)


def _table(columns: Columns) -> Table:
    """The table in colour: what is compatible green, what is not and what does harm red."""
    grid = plain_table()
    high = any("\n" in heading for heading in columns)
    for heading in columns:
        name = heading == NAME
        lower = "\n" if high and "\n" not in heading else ""  # headings stand at the bottom, cells at the top
        justify: Any = "left" if name else "right"
        grid.add_column(Text(lower + heading, "bold"), justify=justify, no_wrap=not name, overflow="fold")
    for row in zip(*columns.values(), strict=True):
        grid.add_row(*(Text(cell, _style(heading, cell)) for heading, cell in zip(columns, row, strict=True)))
    return grid


def _style(heading: str, cell: str) -> str:
    if heading == VERDICT:
        return {"yes": "green", "no": "red"}.get(cell, "")
    return sign_style(cell) if heading == GAIN else ""
