"""A comparison for papers and programs: Markdown, LaTeX and CSV. Names in them are text, whatever they are."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from clsim.report.compare.comparison import Comparison
from clsim.report.compare.tables import Table, tables_of
from clsim.report.figures import DASH
from clsim.utils.text import clean

LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    **{character: f"\\{character}" for character in "{}$&#%_"},
}
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
"""Of CSV, where everything is a fraction; ``minus`` names the other strategy of a difference."""


def markdown(comparison: Comparison) -> Iterator[str]:
    """Every table, and what is to be known as a list below them."""
    for table in tables_of(comparison):
        yield f"**{_markdown(table.title)}**"
        yield ""
        yield _row(map(_markdown, table.headings))
        yield _row("---" if index < table.names else "---:" for index in range(len(table.headings)))
        yield from (_row(map(_markdown, row)) for row in table.rows)
        yield ""
    yield from (f"- {_markdown(note)}" for note in comparison.notes)


def _row(cells: Iterator[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>|#$~])", r"\\\1", clean(text))


def latex(comparison: Comparison) -> Iterator[str]:
    """Every table as a ``tabular`` that needs no package; what is to be known in comments before the first."""
    for note in comparison.notes:
        yield f"% {clean(note)}"
    for table in tables_of(comparison):
        yield f"% {clean(table.title)}"
        yield rf"\begin{{tabular}}{{{'l' * table.names}{'r' * (len(table.headings) - table.names)}}}"
        yield r"\hline"
        yield _latex_row(table, table.headings)
        yield r"\hline"
        yield from (_latex_row(table, row) for row in table.rows)
        yield r"\hline"
        yield r"\end{tabular}"


def _latex_row(table: Table, row: list[str]) -> str:
    cells = [_latex(cell) if index < table.names else _signed(_latex(cell)) for index, cell in enumerate(row)]
    return rf"{' & '.join(cells)} \\"


def _latex(text: str) -> str:
    return "".join(LATEX.get(character, character) for character in clean(text))


def _signed(cell: str) -> str:
    """A figure's minus sign as such, not as a hyphen."""
    return cell if cell == DASH else re.sub(r"(?<![\w)])-(?=\d)", "$-$", cell)


def csv_rows(comparison: Comparison) -> Iterator[str]:
    """One line for every figure of a strategy and every difference, by session too; full precision."""
    yield _csv(COLUMNS)
    for key in comparison.figures:
        for strategy in comparison.strategies:
            if found := strategy.spreads.get(key):
                low, high = found.interval or (None, None)
                row = comparison.published.get(strategy.name)
                theirs = row.figures.get(key) if row else None
                figures = (found.n, found.mean, found.deviation, low, high)
                yield _csv((key, strategy.name, "", *figures, *[None] * 4, theirs, comparison.gap(strategy, key)))
        for pair in comparison.pairs:
            if tested := pair.figures.get(key):
                n, mean, deviation, interval, t_test, flips = tested.difference
                low, high = interval or (None, None)
                tests = (t_test, tested.t_test_holm, flips, tested.sign_flips_holm)
                yield _csv((key, pair.first, pair.second, n, mean, deviation, low, high, *tests, None, None))
    ran = {strategy.name for strategy in comparison.strategies}
    for name, row in comparison.published.items():
        if name not in ran:
            for key in row.figures:
                yield _csv((key, name, "", *[None] * 9, row.figures[key], None))


def _csv(cells: tuple[object, ...]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(["" if cell is None else _cell(cell) for cell in cells])
    return line.getvalue()


def _cell(cell: object) -> object:
    """A name that a spreadsheet would take for a formula gets an apostrophe, which it takes for text."""
    if not isinstance(cell, str):
        return cell
    text = clean(cell)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
