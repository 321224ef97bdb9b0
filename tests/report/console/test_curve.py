from __future__ import annotations

import subprocess
import sys

import pytest

from clsim.report.console.curve import GUTTER, Curve, draw, span


@pytest.mark.parametrize(
    ("values", "axis"),
    [
        ([0.805, 0.878], (80, 90)),
        ([0.49, 0.73], (40, 80)),
        ([0.0], (0, 10)),
        ([1.0], (90, 100)),
        ([0.02, 0.99], (0, 100)),
    ],
)
def test_the_axis_runs_between_round_numbers(values: list[float], axis: tuple[int, int]) -> None:
    assert span(values) == axis


@pytest.mark.parametrize("low", range(0, 100, 7))
@pytest.mark.parametrize("high", range(0, 101, 5))
def test_the_axis_holds_every_value_and_its_middle_is_whole(low: int, high: int) -> None:
    if low <= high:
        start, end = span([low / 100, high / 100])
        assert 0 <= start <= low <= high <= end <= 100
        assert (end - start) % 2 == 0


def test_a_line_falls_from_corner_to_corner() -> None:
    lines = draw([Curve("ours", [1.0, 0.9], "cyan")], sessions=2, width=GUTTER + 8, height=4).plain.split("\n")
    assert lines[0] == "      ━━ ours"
    assert [line[:5] for line in lines[1:]] == ["100%┤", " 95%┤", " 90%┤", "    └", "     ", "     "]
    assert lines[4:6] == ["    └┬───────┬", "     0       1"]
    assert lines[1][5] > "\u2800" and lines[3].rstrip()[-1] > "\u2800"  # its ends


@pytest.mark.parametrize("width", [14, 24, 40, 77])
@pytest.mark.parametrize("sessions", [1, 2, 9, 31, 100])
def test_no_line_is_wider_and_the_height_is_as_asked(width: int, sessions: int) -> None:
    curve = Curve("ours", [0.9 - 0.005 * i for i in range(sessions)], "cyan")
    picture = draw([curve], sessions=sessions, width=width, height=5)
    lines = picture.split("\n", allow_blank=True)
    assert len(lines) == 5 + 3
    assert max(line.cell_len for line in lines) <= width


def test_ours_lies_on_top_gaps_stay_empty_and_published_values_are_dots() -> None:
    ours, theirs = [0.5, None, None, 0.5, 0.5], [0.5] * 5
    curves = [Curve("ours", ours, "cyan"), Curve("theirs", theirs, "yellow", dotted=True)]
    picture = draw(curves, sessions=5, width=GUTTER + 41, height=3)
    (drawn,) = (line for line in picture.split("\n")[1:] if "•" in line.plain)
    assert drawn.plain.count("•") == 2  # under our sessions they are hidden
    styles = {drawn.plain[span.start]: span.style.color.number for span in drawn.spans if span.style.color}
    assert styles["•"] == 3
    assert {color for mark, color in styles.items() if "\u2800" < mark <= "\u28ff"} == {6}


def test_two_draws_do_not_mix() -> None:
    curve = Curve("ours", [0.5, 0.6], "cyan")
    one = draw([curve], sessions=2, width=30, height=5)
    draw([Curve("other", [0.1, 0.9], "yellow", dotted=True)], sessions=2, width=60, height=9)
    assert draw([curve], sessions=2, width=30, height=5) == one


def test_without_a_point_there_is_only_the_legend() -> None:
    assert draw([Curve("ours", [None], "cyan")], sessions=1, width=30, height=5).plain.strip() == "━━ ours"


def test_the_plotter_is_imported_when_it_draws() -> None:
    code = "import sys, clsim.report.console.panels; print('plotext' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
