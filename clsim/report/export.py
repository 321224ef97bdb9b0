"""Tables as LaTeX, Markdown and CSV; no name in them is read as markup."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

from clsim.report.table import Cell, Column, Table
from clsim.utils.numbers import DASH
from clsim.utils.text import clean

LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "·": r"\textperiodcentered{}",
    "±": r"$\pm$",
    "▽": r"$\bigtriangledown$",
    **{character: f"\\{character}" for character in "{}$&#%_"},
}
BOOKTABS = (r"\toprule", r"\midrule", r"\bottomrule")
HLINES = (r"\hline",) * 3
"""Rules that need no package."""
CSV_NAMES = {
    "forgetting from best": "forgotten, from best",
    "forgetting from first": "forgotten, from first",
    "trainable parameters": "trained numbers",
    "recall, %": "named right, %",
    "most often predicted as (images)": "most often taken for (images)",
    "as stored": "as it is stored",
    "final accuracy": "accuracy after the last session",
    "nothing re-indexed": "service",
    "training time, s": "training, s",
    "evaluation time, s": "evaluation, s",
}
"""CSV names of columns whose headings have changed since; scripts rely on them."""


def latex(table: Table, rules: tuple[str, str, str] = BOOKTABS) -> str:
    r"""Return a ``tabular`` with title and notes as comments above it.

    Args:
        table: Table to write.
        rules: Rules above the headings, below them and below the rows; `BOOKTABS` need the package booktabs.

    Example:
        >>> from clsim.report.table import exact, of_rows, words
        >>> print(latex(of_rows("t", "50 %", ("a_b", "share"), [(words("x"), exact(0.5))])))
        % 50 \%
        \begin{tabular}{lr}
        \toprule
        a\_b & share \\
        \midrule
        x & 50.00 \\
        \bottomrule
        \end{tabular}
        <BLANKLINE>

    """
    top, middle, bottom = rules
    rows = [[_latex_cell(*pair) for pair in zip(table.columns, row, strict=True)] for row in table.rows]
    lines = [f"% {_latex(text)}" for text in (table.title, *table.notes)]
    lines += [rf"\begin{{tabular}}{{{''.join('l' if column.left else 'r' for column in table.columns)}}}", top]
    lines += [_latex_row(map(_latex, table.headings)), middle, *map(_latex_row, rows), bottom]
    return "\n".join([*lines, r"\end{tabular}", ""])


def markdown(table: Table) -> str:
    """Return a Markdown table below its title, with its notes below."""
    lines = [f"**{escape_markdown(table.title)}**", "", _row(map(escape_markdown, table.headings))]
    lines.append(_row("---" if column.left else "---:" for column in table.columns))
    lines += [_row(escape_markdown(_marked(cell)) for cell in row) for row in table.rows]
    lines += [line for note in table.notes for line in ("", escape_markdown(note))]
    return "\n".join([*lines, ""])


def comma_separated(table: Table) -> str:
    """Return CSV with exact values as in ``results.json``; a missing figure is an empty cell."""
    headings = (CSV_NAMES.get(heading, heading) for heading in table.headings)
    return "".join(f"{csv_line(cells)}\n" for cells in (headings, *(map(_exact, row) for row in table.rows)))


def csv_line(cells: Iterable[object]) -> str:
    """Return a line of CSV without its end; None is an empty cell.

    Example:
        >>> csv_line(["=SUM(A1)", 0.5, None])
        "'=SUM(A1),0.5,"

    """
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(["" if cell is None else _plain(cell) for cell in cells])
    return line.getvalue()


def escape_markdown(text: str) -> str:
    """Return a text in which no character is Markdown."""
    return re.sub(r"([\\`*_{}\[\]<>|#&$~!])", r"\\\1", clean(text))


def comment(text: str) -> str:
    """Return a text as a LaTeX comment."""
    return f"% {_latex(text)}"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _latex_row(cells: Iterable[str]) -> str:
    return rf"{' & '.join(cells)} \\"


def _latex_cell(column: Column, cell: Cell) -> str:
    text = _latex(_marked(cell))
    if column.left or text == DASH:
        return text
    # A minus sign, not a hyphen; names such as a-1 and exponents such as 1e-05 stay.
    return re.sub(r"(?<![\w)])-(?=\d)", "$-$", text)


def _latex(text: str) -> str:
    return "".join(LATEX.get(character, character) for character in clean(text))


def _marked(cell: Cell) -> str:
    return f"{cell.text}▽" if cell.mark == "low" else cell.text


def _exact(cell: Cell) -> object:
    if cell.value is None:
        return None if cell.text == DASH else cell.text
    return int(cell.value) if float(cell.value).is_integer() and "." not in cell.text else float(cell.value)


def _plain(cell: object) -> object:
    """Return a cell that no spreadsheet reads as a formula: an apostrophe makes it text."""
    if not isinstance(cell, str):
        return cell
    text = clean(cell)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
