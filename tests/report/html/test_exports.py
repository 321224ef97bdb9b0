"""Tables for papers: exact in CSV, rounded in the others, and nothing in a name is markup."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from clsim.report.html.content import Cell, Table, figure
from clsim.report.html.exports import comma_separated, file_name, latex, markdown, named_parts, write_tables
from clsim.report.html.run_view import read_runs

NAMES = r"""a_b & 50% $x^2$ #1 {~} \input{/etc/passwd} <b> | `c` [d](e) *f* ± ▽"""


def table(*rows: tuple[Cell, ...], headings: tuple[str, ...] = ("name", "share")) -> Table:
    return Table("t", "A title", headings, rows)


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
    lines = latex(table((Cell(NAMES), figure(0.12345)), headings=("na_me", "share, %"))).splitlines()
    assert lines[1:3] == [r"\begin{tabular}{lr}", r"\toprule"]
    assert cells(lines[3]) == ["na_me", "share, %"]
    assert cells(lines[5]) == [NAMES, "12.35"]
    assert lines[-2:] == [r"\bottomrule", r"\end{tabular}"]


def test_markdown_shows_names_as_they_are() -> None:
    row = markdown(table((Cell(NAMES), figure(0.12345)))).splitlines()[4]
    inner = re.split(r"(?<!\\)\|", row)[1:-1]
    assert [re.sub(r"\\(.)", r"\1", cell.strip()) for cell in inner] == [NAMES, "12.35"]
    assert not re.search(r"(?<!\\)[`*_\[\]<>$&~]", row)


def test_csv_is_exact() -> None:
    text = comma_separated(
        table((Cell('a, "b"'), figure(1 / 3)), (Cell("c"), figure(None)), (Cell("d"), figure(1200, "count")))
    )
    assert list(csv.reader(text.splitlines())) == [
        ["name", "share"],
        ['a, "b"', repr(1 / 3)],
        ["c", ""],
        ["d", "1200"],
    ]


def test_a_control_character_is_written_out() -> None:
    for form in (latex, markdown, comma_separated):
        assert form(table((Cell("\x1b[2J\u202e\n"), figure(0.5)))).isprintable() is False  # the ends of lines alone
        assert not {"\x1b", "\u202e"} & set(form(table((Cell("\x1b[2J\u202e\n"), figure(0.5)))))


def test_files_of_a_real_run_have_its_figures(made: Callable[..., Path], tmp_path: Path) -> None:
    run = made("replacement")
    told = json.loads((run / "results.json").read_text())
    paths = list(write_tables(read_runs([run]), tmp_path))
    assert sorted(paths) == sorted(tmp_path.iterdir())
    assert {path.suffix for path in paths} == {".tex", ".md", ".csv"}
    rows = list(csv.DictReader((tmp_path / "sessions.csv").open(newline="")))
    assert [float(row["accuracy"]) for row in rows] == [record["accuracy"] for record in told["sessions"]]
    assert [float(row["training, s"]) for row in rows] == [record["train_seconds"] for record in told["sessions"]]
    matrix = list(csv.reader((tmp_path / "compatibility_matrix.csv").open(newline="")))[1:]
    assert [[float(cell) for cell in row[1:] if cell] for row in matrix] == [
        [value for value in row if value is not None] for row in told["compatibility_matrix"]
    ]
    tex = (tmp_path / "accuracy_matrix.tex").read_text()
    assert all(f"{100 * value:.2f}" in tex for row in told["accuracy_matrix"] for value in row)
    assert not (tmp_path / "manifest.csv").exists()


def test_names_of_files_are_tame_and_differ(made: Callable[..., Path]) -> None:
    runs = read_runs([made("fscil"), made("fscil", 2), made("replacement")])
    names = [name for name, _ in named_parts(runs)]
    assert len({name.lower() for name in names}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", name) for name in names)
    assert {"accuracy", "fscil-stationary-seed-1-accuracy", "replacement-replay-service"} <= set(names)


@pytest.mark.parametrize("text", ["../../etc/x", "/", "", "ü", "a" * 500, "\x00"])
def test_a_name_never_leaves_its_folder(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,120}", file_name(text))
