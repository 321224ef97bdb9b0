"""Printing of a comparison as text, Markdown, LaTeX, CSV or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Literal

from rich.console import Console

from clsim.report.compare.comparison import Comparison
from clsim.report.compare.tables import tables_of
from clsim.report.console.choose import make_console
from clsim.report.console.parts import print_line, print_notices, print_table
from clsim.report.console.plain import stand_in_line, write_line
from clsim.report.export import HLINES, comment, csv_line, escape_markdown, latex, markdown
from clsim.report.figures import several
from clsim.utils.text import clean

Format = Literal["text", "json", "markdown", "latex", "csv"]
COLUMNS = (
    "figure",
    "strategy",
    "minus",
    "n",
    "mean",
    "deviation",
    "low",
    "high",
    "p_t",
    "p_t_holm",
    "p_sign_flips",
    "p_sign_flips_holm",
    "published",
    "minus_published",
)
"""Columns of the CSV output, where figures are fractions; ``minus`` is the strategy that is subtracted."""


def print_comparison(comparison: Comparison, form: Format = "text") -> None:
    """Print a comparison. Except in text, a stand-in notice goes to standard error, as do the notes of CSV."""
    if form == "text":
        print_tables(comparison, make_console())
        return
    if form == "json":
        write_line(sys.stdout, json.dumps(comparison.to_dict(), allow_nan=False))
    else:
        for line in {"markdown": _markdown, "latex": _latex, "csv": csv_rows}[form](comparison):
            write_line(sys.stdout, line)
    if form == "csv":
        for note in comparison.notes:
            write_line(sys.stderr, note)
    if comparison.stands_in_for:
        write_line(sys.stderr, stand_in_line(comparison.scenario, comparison.stands_in_for))


def print_tables(comparison: Comparison, console: Console) -> None:
    """Print the tables of a comparison: in color on a terminal, as plain lines elsewhere."""
    print_notices(console, comparison.scenario, comparison.stands_in_for, comparison.validation)
    print_line(console, headline(comparison), "bold")
    for table in tables_of(comparison):
        print_table(console, table)
    if comparison.notes and console.is_terminal:
        console.print()
    for note in comparison.notes:
        print_line(console, note, "dim")
    print_notices(console, comparison.scenario, comparison.stands_in_for)


def headline(comparison: Comparison) -> str:
    """Return scenario, strategies and seeds on one line."""
    strategies = len(comparison.strategies)
    seeds = sorted({seed for strategy in comparison.strategies for seed in strategy.seeds})
    listed = ", ".join(map(str, seeds)) if len(seeds) <= 12 else str(len(seeds))
    methods = several(strategies, "strategy") if strategies == 1 else f"{strategies} strategies"
    return f"{clean(comparison.scenario)}: {methods}, seed{'' if len(seeds) == 1 else 's'} {listed}"


def _markdown(comparison: Comparison) -> Iterator[str]:
    """Yield every table, then the notes as a list."""
    for table in tables_of(comparison):
        yield from markdown(table.without_notes()).splitlines()
        yield ""
    yield from (f"- {escape_markdown(note)}" for note in comparison.notes)


def _latex(comparison: Comparison) -> Iterator[str]:
    """Yield the notes as comments, then every table."""
    yield from map(comment, comparison.notes)
    for table in tables_of(comparison):
        yield from latex(table.without_notes(), HLINES).splitlines()


def csv_rows(comparison: Comparison) -> Iterator[str]:
    """Yield one line for every figure of a strategy and every difference, by session too, with full precision."""
    yield csv_line(COLUMNS)
    for key in comparison.figures:
        for strategy in comparison.strategies:
            if found := strategy.spreads.get(key):
                low, high = found.interval or (None, None)
                figures = (found.n, found.mean, found.deviation, low, high)
                published = comparison.published_figure(strategy.name, key)
                ends = (published, comparison.gap(strategy, key))
                yield csv_line((key, strategy.name, "", *figures, *[None] * 4, *ends))
        for pair in comparison.pairs:
            if tested := pair.figures.get(key):
                n, mean, deviation, interval, t_test, flips = tested.difference
                low, high = interval or (None, None)
                tests = (t_test, tested.t_test_holm, flips, tested.sign_flips_holm)
                yield csv_line((key, pair.first, pair.second, n, mean, deviation, low, high, *tests, None, None))
    yield from _csv_of_draws(comparison)
    for name, row in comparison.other_methods.items():
        for key, value in row.figures.items():
            yield csv_line((key, name, "", *[None] * 9, value, None))


def _csv_of_draws(comparison: Comparison) -> Iterator[str]:
    """Yield one line for every figure over draws, under ``draws.KEY``; ``n`` is the number of draws."""
    for name, figures in comparison.repeated.items():
        for key, each in figures.items():
            low, high = each.spread.interval or (None, None)
            values = (each.draws, each.spread.mean, each.deviation, low, high)
            yield csv_line((f"draws.{key}", name, "", *values, *[None] * 6))
