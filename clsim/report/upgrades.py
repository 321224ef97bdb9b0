"""Upgrades of several strategies side by side: old/old, new/old and new/new by every criterion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rich.console import Console

from clsim.experiment.events import Results
from clsim.metrics.functional.compatibility import update_gain
from clsim.report.console.parts import print_line, print_table
from clsim.report.figures import SPREAD, done_of, over_seeds
from clsim.report.table import NOTHING, Cell, Column, Table, column, sign
from clsim.results.upgrades import Upgrade, further_criteria, last_upgrade, tested
from clsim.utils.numbers import DASH, finite
from clsim.utils.text import clean

REFERENCES = ("independent", "clip_independent")
"""Strategies whose new model is the upper bound of an update gain (BCT, arXiv 2003.11942)."""
GAIN = "update\ngain"
RELATIVE = "relative_negative_flip_rate"
FLIPS = (
    ("negative\nflips", "negative_flip_rate", 1),
    ("positive\nflips", "positive_flip_rate", 2),
    ("relative\nflips", RELATIVE, 4),
)
LEGEND = (
    "new/old: query by the new model, gallery by the old; compatible: above old/old",
    "update gain: (new/old - old/old) / (new/new of independent - old/old)",
)


def print_upgrades(console: Console, rows: Sequence[Mapping[str, Any]], criterion: str) -> None:
    """Print one table for every criterion, the scenario's own first; of a chain of versions the last upgrade.

    Nothing is printed if no run compared two versions.

    Args:
        console: Console to print to.
        rows: ``{"strategy": name, "seeds": [results, ...]}`` for each strategy.
        criterion: Criterion of the compatibility matrix, which results do not name.

    """
    tables = [
        table
        for name in (criterion, *further_criteria(rows, criterion))
        if (table := upgrades_table(rows, name, main=name == criterion))
    ]
    for table in tables:
        fits = not console.is_terminal or table.width <= console.width
        print_table(console, table if fits else _stacked(table))
    if tables:
        spread = any("±" in text for table in tables for row in table.texts for text in row)
        gains = any(column.heading == GAIN for table in tables for column in table.columns)
        for line in (LEGEND[0], LEGEND[1] if gains else "", SPREAD if spread else ""):
            if line:
                print_line(console, line, "dim")


def upgrades_table(rows: Sequence[Mapping[str, Any]], criterion: str, *, main: bool) -> Table | None:
    """Return the table of one criterion; None if no run was measured by it.

    Figures are means over the seeds that have them, a gain is the mean of the gains of the seeds. There are no seeds
    if each strategy ran once, and no gains if the reference did not run.

    Args:
        rows: Strategies as :func:`print_upgrades` takes them.
        criterion: Name of the criterion.
        main: Whether it is that of the compatibility matrix; flips are counted for that one alone.

    """
    found = [[last_upgrade(results, None if main else criterion) for results in row["seeds"]] for row in rows]
    versions = max((upgrade.versions for row in found for upgrade in row if upgrade), default=0)
    if versions < 2:
        return None
    # A run that stopped early made another upgrade, which must not stand beside the others.
    found = [[upgrade if upgrade and upgrade.versions == versions else None for upgrade in row] for row in found]
    done = [[upgrade for upgrade in row if upgrade] for row in found]
    columns = [column("strategy", (clean(row["strategy"]) for row in rows), left=True)]
    if any(len(row) != 1 for row in done) or any(len(row) != 1 for row in found):
        counts = (done_of(len(some), len(row)) for some, row in zip(done, found, strict=True))
        columns.append(column("seeds", counts, rank=3))
    columns.append(column("old/old", (over_seeds([upgrade.old_old for upgrade in row]) for row in done)))
    columns.append(column("new/old", (over_seeds([upgrade.new_old for upgrade in row]) for row in done)))
    columns.append(column("new/new", (over_seeds([upgrade.new_new for upgrade in row]) for row in done)))
    columns.append(Column("compatible", tuple(map(_verdict, done))))
    if any(row["strategy"] in REFERENCES for row in rows):
        columns.append(Column(GAIN, tuple(_gains(rows, found))))
    for heading, key, rank in FLIPS if main else ():
        rates = [_flips(row["seeds"], some, key) for row, some in zip(rows, found, strict=True)]
        # Earlier versions of clsim wrote no relative rate.
        if key != RELATIVE or any(rate != DASH for rate in rates):
            columns.append(column(heading, rates, rank=rank))
    which = f"upgrade from version {versions - 2} to {versions - 1}" if versions > 2 else "upgrade"
    return Table(f"{which}, by {clean(criterion)}", tuple(columns))


def _verdict(done: Sequence[Upgrade]) -> Cell:
    """Return ``yes`` or ``no`` if all seeds agree, else the number of compatible ones."""
    held = sum(upgrade.compatible for upgrade in done)
    if not done:
        return NOTHING
    if held in (0, len(done)):
        return Cell("yes", mark="gain") if held else Cell("no", mark="loss")
    return Cell(f"{held} of {len(done)}")


def _gains(rows: Sequence[Mapping[str, Any]], found: Sequence[Sequence[Upgrade | None]]) -> list[Cell]:
    """Return the update gain of every strategy, each seed's by the reference's new model of that seed.

    It is a dash if one seed has none: the mean of the others would look like that of all.
    """
    upper: dict[Any, float] = {}
    for row, some in zip(rows, found, strict=True):
        if row["strategy"] in REFERENCES:
            upper = {r.get("seed"): u.new_new for r, u in zip(row["seeds"], some, strict=True) if u}
    cells = []
    for row, some in zip(rows, found, strict=True):
        gains = [
            update_gain(u.new_old, u.old_old, upper[r.get("seed")]) if r.get("seed") in upper else None
            for r, u in zip(row["seeds"], some, strict=True)
            if u
        ]
        known = [gain for gain in map(finite, gains) if gain is not None]
        text = over_seeds(known) if len(known) == len(gains) else DASH
        cells.append(Cell(text, mark=sign(text)))
    return cells


def _flips(seeds: Sequence[Results], found: Sequence[Upgrade | None], key: str) -> str:
    """Return a rate of the last session over the runs whose upgrade is shown."""
    rates = [finite(tested(results)[-1].get(key)) for results, u in zip(seeds, found, strict=True) if u]
    return over_seeds([rate for rate in rates if rate is not None])


def _stacked(table: Table) -> Table:
    """Return the table with deviations below their means."""
    stacked = [
        each
        if each.left
        else replace(each, cells=tuple(cell._replace(text=cell.text.replace("±", "%\n±")) for cell in each.cells))
        for each in table.columns
    ]
    return replace(table, columns=tuple(stacked))
