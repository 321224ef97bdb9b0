"""The report's tables for papers: LaTeX with booktabs, Markdown, and CSV with exact values."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from clsim.report.figures import DASH
from clsim.report.html.content import Cell, Chart, Section, Table
from clsim.report.html.run_view import RunView
from clsim.report.html.sections import compared, sections
from clsim.utils.files import atomic
from clsim.utils.text import clean

LEFT_OUT = ("manifest",)
"""Tables that are no table of a paper."""
LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "·": r"\textperiodcentered{}",
    "±": r"$\pm$",
    "▽": r"$\bigtriangledown$",
}


def write_tables(runs: Sequence[RunView], folder: Path) -> Iterator[Path]:
    """Writes every table, and the figures of every chart, in all three forms; yields each path."""
    for name, part in named_parts(runs):
        table = replace(part.table, notes=part.notes) if isinstance(part, Chart) else part
        if table.name in LEFT_OUT:
            continue
        for ending, form in (("tex", latex), ("md", markdown), ("csv", comma_separated)):
            path = folder / f"{name}.{ending}"
            with atomic(path, durable=False) as temporary:
                temporary.write_text(form(table), encoding="utf-8", newline="")
            yield path


def named_parts(runs: Sequence[RunView]) -> Iterator[tuple[str, Chart | Table]]:
    """Every chart and table of the report with a name for its file, no two alike."""
    groups: list[tuple[str, list[Section]]] = [("", sections(runs[0]))]
    if len(runs) > 1:
        groups = [("", compared(runs)), *((run.label, sections(run)) for run in runs)]
    taken: set[str] = set()
    for prefix, found in groups:
        for part in (part for section in found for part in section.parts):
            name = unique = file_name(f"{prefix}-{part.name}" if prefix else part.name)
            number = 1
            while unique.lower() in taken:  # two labels may differ in what no file is called by
                number += 1
                unique = f"{name}-{number}"
            taken.add(unique.lower())
            yield unique, part


def file_name(text: str) -> str:
    """A text as part of a file's name.

    Example:
        >>> file_name("recall@1/image_to_text · seed 1")
        'recall-1-image_to_text-seed-1'

    """
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-")[:120] or "table"


def latex(table: Table) -> str:
    r"""A ``tabular`` between rules of booktabs; every text is escaped.

    Example:
        >>> print(latex(Table("t", "50 %", ("a_b", "share"), ((Cell("x"), Cell("50.00", 0.5)),))))
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
    kinds = "".join("r" if numeric else "l" for numeric in table.numeric)
    rows = [" & ".join(_latex_cell(cell) for cell in row) + r" \\" for row in table.rows]
    heading = " & ".join(map(_latex, table.headings)) + r" \\"
    lines = [f"% {_latex(text)}" for text in (table.title, *table.notes)]
    lines += [rf"\begin{{tabular}}{{{kinds}}}", r"\toprule", heading, r"\midrule", *rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def markdown(table: Table) -> str:
    """A table of Markdown under its title; nothing in it is read as markup."""
    lines = [f"**{_markdown(table.title)}**", ""]
    lines.append("| " + " | ".join(map(_markdown, table.headings)) + " |")
    lines.append("|" + "".join("---:|" if numeric else "---|" for numeric in table.numeric))
    lines += ["| " + " | ".join(_markdown(_marked(cell)) for cell in row) + " |" for row in table.rows]
    lines += [line for note in table.notes for line in ("", _markdown(note))]
    return "\n".join([*lines, ""])


def comma_separated(table: Table) -> str:
    """Rows of exact values, as ``results.json`` has them; a cell without one is empty, or its text."""
    with io.StringIO(newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(map(clean, table.headings))
        writer.writerows([_plain(cell) for cell in row] for row in table.rows)
        return stream.getvalue()


def _plain(cell: Cell) -> str:
    if cell.value is not None:
        return repr(int(cell.value)) if float(cell.value).is_integer() and "." not in cell.text else repr(cell.value)
    return "" if cell.text == DASH else clean(cell.text)


def _marked(cell: Cell) -> str:
    return f"{cell.text}▽" if cell.mark == "low" else cell.text


def _latex_cell(cell: Cell) -> str:
    """A figure's minus sign is one, not a hyphen."""
    text = _latex(_marked(cell))
    return f"$-${text[1:]}" if cell.value is not None and text.startswith("-") else text


def _latex(text: str) -> str:
    return "".join(LATEX.get(character, character) for character in clean(text))


def _markdown(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>|#&$~!])", r"\\\1", clean(text))
