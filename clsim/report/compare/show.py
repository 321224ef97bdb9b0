"""A comparison on the console, for people, papers or programs."""

from __future__ import annotations

import json
import sys
from typing import Literal

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from clsim.report.compare.comparison import Comparison
from clsim.report.compare.formats import csv_rows, latex, markdown
from clsim.report.compare.tables import Table, columns_of, tables_of
from clsim.report.console.choose import make_console
from clsim.report.console.panels import stand_in_notice, validation_notice
from clsim.report.console.parts import LONGEST_NAME, plain_table, sign_style
from clsim.report.console.plain import aligned, stand_in_line, validation_line, write_line
from clsim.report.figures import several
from clsim.report.table import GAP
from clsim.results.figures import figures
from clsim.utils.text import clean

Format = Literal["text", "json", "markdown", "latex", "csv"]
UNSIGNED = frozenset(each.label_of_run for each in figures() if each.better == "lower")
"""Figures of which more is a loss; their differences are not coloured."""


def show(comparison: Comparison, form: Format = "text") -> None:
    """Print it; what is not for people has a stand-in's notice on standard error, and CSV its notes too."""
    if form == "text":
        show_text(comparison, make_console())
        return
    if form == "json":
        write_line(sys.stdout, json.dumps(comparison.to_dict(), allow_nan=False))
    else:
        for line in {"markdown": markdown, "latex": latex, "csv": csv_rows}[form](comparison):
            write_line(sys.stdout, line)
    if form == "csv":
        for note in comparison.notes:
            write_line(sys.stderr, note)
    if comparison.stands_in_for:
        write_line(sys.stderr, stand_in_line(comparison.scenario, comparison.stands_in_for))


def headline(comparison: Comparison) -> str:
    """What is compared, in a line."""
    strategies = len(comparison.strategies)
    seeds = sorted({seed for strategy in comparison.strategies for seed in strategy.seeds})
    told = ", ".join(map(str, seeds)) if len(seeds) <= 12 else str(len(seeds))
    methods = several(strategies, "strategy") if strategies == 1 else f"{strategies} strategies"
    return f"{clean(comparison.scenario)}: {methods}, seed{'' if len(seeds) == 1 else 's'} {told}"


def show_text(comparison: Comparison, console: Console) -> None:
    """In colour on a terminal, as plain lines elsewhere."""
    notice = comparison.stands_in_for
    if not console.is_terminal:
        if notice:
            write_line(console.file, stand_in_line(comparison.scenario, notice))
        if comparison.validation:
            write_line(console.file, validation_line(comparison.validation))
        write_line(console.file, headline(comparison))
        for table in tables_of(comparison):
            rows = [[clean(cell) for cell in row] for row in table.rows]
            for line in (f"{table.title}:", *aligned([clean(heading) for heading in table.headings], rows)):
                write_line(console.file, line.replace("±", "+-"))
        for note in comparison.notes:
            write_line(console.file, note)
        if notice:
            write_line(console.file, stand_in_line(comparison.scenario, notice))
        return
    if notice:
        console.print(stand_in_notice(comparison.scenario, notice))
    if comparison.validation:
        console.print(validation_notice(comparison.validation))
    console.print(Text(headline(comparison), "bold"))
    for table in tables_of(comparison):
        console.print(Text(f"\n{clean(table.title)}", "bold"))
        console.print(_drawn(_fitted(table, console.width)))
    if comparison.notes:
        console.print(Text("\n" + "\n".join(map(clean, comparison.notes)), "dim"))
    if notice:
        console.print(stand_in_notice(comparison.scenario, notice))


def _fitted(table: Table, width: int) -> Table:
    """Without the columns that there is no room for; long names are folded first."""

    def needed() -> int:
        widths = columns_of(table.headings, table.rows)
        names = [min(each, LONGEST_NAME) for each in widths[: table.names]]
        return sum(names) + sum(widths[table.names :]) + GAP * (len(widths) - 1)

    while table.spare and needed() > width:
        if (heading := table.spare[0]) in table.headings:
            table = table.without(heading)
        else:
            table = Table(table.title, table.headings, table.rows, table.names, table.signs, table.spare[1:])
    return table


def _drawn(table: Table) -> RichTable:
    """In colour: gains green and losses red; a name that stands above already is not told again."""
    grid = plain_table()
    for index, heading in enumerate(table.headings):
        name = index < table.names
        grid.add_column(
            Text(clean(heading), "bold"),
            justify="left" if name else "right",
            vertical="bottom",
            no_wrap=False,
            overflow="fold",
        )
    above = ""
    for row in table.rows:
        coloured = row[0] not in UNSIGNED
        cells = [
            Text(clean(cell), sign_style(cell) if coloured and heading in table.signs else "")
            for heading, cell in zip(table.headings, row, strict=True)
        ]
        if table.names > 1 and row[0] == above:
            cells[0] = Text()
        above = row[0]
        grid.add_row(*cells)
    return grid
