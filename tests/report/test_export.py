"""Tables for papers: exact in CSV, rounded in the others, and nothing in a name is markup."""

from __future__ import annotations

import csv
import re

from clsim.report.export import HLINES, comma_separated, latex, markdown
from clsim.report.table import Cell, Table, exact, of_rows

NAMES = r"""a_b & 50% $x^2$ #1 {~} \input{/etc/passwd} <b> | `c` [d](e) *f* ± ▽"""


def table(*rows: tuple[Cell, ...], headings: tuple[str, ...] = ("name", "share")) -> Table:
    return of_rows("t", "A title", headings, rows)


def cells(row: str) -> list[str]:
    """The cells of a row of LaTeX as it would be printed."""
    shown = {r"\textbackslash{}": "\\", r"\textasciitilde{}": "~", r"\textasciicircum{}": "^", r"\textless{}": "<"}
    shown |= {r"\textgreater{}": ">", r"\textbar{}": "|", r"$\pm$": "±", r"$\bigtriangledown$": "▽"}
    shown |= {f"\\{character}": character for character in "{}$&#%_"}
    pattern = "|".join(map(re.escape, sorted(shown, key=len, reverse=True)))
    parts = re.split(r" & ", row.removesuffix(r" \\"))
    # What stands for nothing printed would be an active character.
    assert not re.search(r"[\\{}$&#%_~^]", re.sub(pattern, "", "".join(parts)))
    return [re.sub(pattern, lambda found: shown[found[0]], part) for part in parts]


def test_latex_prints_names_as_they_are() -> None:
    lines = latex(table((Cell(NAMES), exact(0.12345)), headings=("na_me", "share, %"))).splitlines()
    assert lines[1:3] == [r"\begin{tabular}{lr}", r"\toprule"]
    assert cells(lines[3]) == ["na_me", "share, %"]
    assert cells(lines[5]) == [NAMES, "12.35"]
    assert lines[-2:] == [r"\bottomrule", r"\end{tabular}"]


def test_markdown_shows_names_as_they_are() -> None:
    row = markdown(table((Cell(NAMES), exact(0.12345)))).splitlines()[4]
    inner = re.split(r"(?<!\\)\|", row)[1:-1]
    assert [re.sub(r"\\(.)", r"\1", cell.strip()) for cell in inner] == [NAMES, "12.35"]
    assert not re.search(r"(?<!\\)[`*_\[\]<>$&~]", row)


def test_csv_is_exact() -> None:
    text = comma_separated(
        table((Cell('a, "b"'), exact(1 / 3)), (Cell("c"), exact(None)), (Cell("d"), exact(1200, "count")))
    )
    assert list(csv.reader(text.splitlines())) == [
        ["name", "share"],
        ['a, "b"', repr(1 / 3)],
        ["c", ""],
        ["d", "1200"],
    ]


def test_a_control_character_is_written_out() -> None:
    for form in (latex, markdown, comma_separated):
        assert form(table((Cell("\x1b[2J\u202e\n"), exact(0.5)))).isprintable() is False  # the ends of lines alone
        assert not {"\x1b", "\u202e"} & set(form(table((Cell("\x1b[2J\u202e\n"), exact(0.5)))))


def test_minus_signs_of_figures_are_typeset_and_those_of_names_stay() -> None:
    texts = ("a-1 - b", "-1.00", "-12.97 to -3.03", "1e-05", "-")
    row = latex(of_rows("t", "t", "abcde", [[Cell(text, 0.0 if i else None) for i, text in enumerate(texts)]]))
    assert r"a-1 - b & $-$1.00 & $-$12.97 to $-$3.03 & 1e-05 & - \\" in row


def test_no_spreadsheet_reads_a_name_as_a_formula() -> None:
    rows = [(Cell("=SUM(A1)"), Cell("-0.50", -0.005)), (Cell("@x"), Cell("-"))]
    assert comma_separated(table(*rows)) == "name,share\n'=SUM(A1),-0.005\n'@x,\n"


def test_a_column_keeps_its_csv_name_when_its_heading_changes() -> None:
    made = table((Cell("a"), exact(0.5)), headings=("class", "recall, %"))
    assert comma_separated(made).startswith('class,"named right, %"\n')
    assert "recall" in markdown(made)


def test_rules_may_need_no_package() -> None:
    assert latex(table((Cell("a"), exact(0.5))), HLINES).count(r"\hline") == 3
