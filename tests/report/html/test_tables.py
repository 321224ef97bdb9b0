"""Files of tables hold the figures of the run, under names that are safe and unique."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from clsim.report.html.run_view import view_runs
from clsim.report.html.sections import file_name, named_parts
from clsim.report.html.write import write_tables


def test_files_of_a_real_run_have_its_figures(made: Callable[..., Path], tmp_path: Path) -> None:
    run = made("replacement")
    told = json.loads((run / "results.json").read_text())
    paths = list(write_tables(view_runs([run]), tmp_path))
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
    runs = view_runs([made("fscil"), made("fscil", 2), made("replacement")])
    names = [name for name, _ in named_parts(runs)]
    assert len({name.lower() for name in names}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", name) for name in names)
    assert {"accuracy", "fscil-stationary-seed-1-accuracy", "replacement-replay-service"} <= set(names)


@pytest.mark.parametrize("text", ["../../etc/x", "/", "", "ü", "a" * 500, "\x00"])
def test_a_name_never_leaves_its_folder(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,120}", file_name(text))
