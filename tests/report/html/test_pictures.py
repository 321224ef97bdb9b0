"""Pictures for papers show the run's figures, the same bytes for the same run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from clsim.report.html.charts import accuracy_charts
from clsim.report.html.content import Chart, Line
from clsim.report.html.pictures import picture
from clsim.report.html.run_view import view_runs
from clsim.report.html.tables import compatibility_matrices
from clsim.report.html.write import write_pictures


def test_lines_are_the_figures_and_the_published_rows(made: Callable[..., Path]) -> None:
    (run,) = view_runs([made("fscil")])
    chart = accuracy_charts(run)[0]
    (axes,) = picture(chart).axes
    assert [tuple(line.get_ydata()) for line in axes.lines] == [line.y for line in chart.lines]
    assert [line.get_linestyle() == "-" for line in axes.lines] == [True, False, False]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        line.name.replace("$", r"\$") for line in chart.lines
    ]


def test_a_matrix_is_written_into_its_cells(made: Callable[..., Path]) -> None:
    (run,) = view_runs([made("replacement")])
    told = run.results["compatibility_matrix"]
    (axes,) = picture(compatibility_matrices(run)[0]).axes
    written = {(round(text.get_position()[1]), round(text.get_position()[0])): text.get_text() for text in axes.texts}
    expected = {(i, j): f"{100 * value:.2f}" for i, row in enumerate(told) for j, value in enumerate(row) if value}
    assert {place: text for place, text in written.items() if text != "0.00"} == expected


def test_a_name_is_no_formula() -> None:
    name = r"$\frac{1}{$ <b> & \x"
    drawn = picture(Chart("c", name, name, name, (Line(name, (0, 1), (0.5, None)), Line("b", (0, 1), (0.1, 0.2)))))
    drawn.savefig("/dev/null", format="svg")
    assert drawn.axes[0].get_title() == name.replace("$", r"\$")


@pytest.mark.parametrize("kind", ["svg", "pdf"])
def test_pictures_of_a_run(made: Callable[..., Path], tmp_path: Path, kind: str) -> None:
    runs = view_runs([made("replacement")])
    folders = [tmp_path / "one", tmp_path / "again"]
    for folder in folders:
        folder.mkdir()
    paths = [list(write_pictures(runs, folder, kind)) for folder in folders]
    names = {path.stem for path in paths[0]}
    assert {"accuracy", "accuracy_matrix", "compatibility_matrix", "backfill", "flips", "seconds"} <= names
    assert "sessions" not in names
    for one, again in zip(*paths, strict=True):
        assert one.read_bytes() == again.read_bytes()
        if kind == "svg":
            assert ElementTree.parse(one).getroot().tag.endswith("svg")
        else:
            assert one.read_bytes().startswith(b"%PDF")


def test_a_long_matrix_is_drawn_without_its_figures(made: Callable[..., Path], tmp_path: Path) -> None:
    from clsim.report.html.tables import accuracy_matrix

    rows = [[0.5 + 0.001 * j for j in range(i + 1)] for i in range(31)]
    assert json.dumps(rows)
    (axes,) = picture(accuracy_matrix(rows)).axes
    assert not axes.texts
    (image,) = axes.images
    assert [image.get_array()[i][j] for i in range(31) for j in range(i + 1)] == [v for row in rows for v in row]
