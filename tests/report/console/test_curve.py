from __future__ import annotations

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


def test_the_picture_of_a_line_that_falls_from_corner_to_corner() -> None:
    lines = draw([Curve("ours", [1.0, 0.9], "cyan")], sessions=2, width=GUTTER + 8, height=3).plain.split("\n")
    assert lines == [
        "        ━━ ours",
        "  100% ┤⠛⠤⡀     ",
        "   95% ┤  ⠈⠢⢄   ",
        "   90% ┤     ⠑⠢⣤",
        "       └┬──────┬",
        "session 0      1",
    ]


@pytest.mark.parametrize("width", [24, 40, 77])
@pytest.mark.parametrize("sessions", [1, 2, 9, 31, 100])
def test_no_line_is_wider_and_the_height_is_as_asked(width: int, sessions: int) -> None:
    curve = Curve("ours", [0.9 - 0.005 * i for i in range(sessions)], "cyan")
    picture = draw([curve], sessions=sessions, width=width, height=5)
    lines = picture.split("\n", allow_blank=True)
    assert len(lines) == 5 + 3
    assert max(line.cell_len for line in lines) <= width


def test_ours_lies_on_top_and_gaps_stay_empty() -> None:
    same = [0.5, 0.5, 0.5]
    picture = draw(
        [Curve("ours", [0.5, None, 0.5], "cyan"), Curve("theirs", same, "yellow", dashed=True)],
        sessions=3,
        width=GUTTER + 9,
        height=3,
    )
    drawn = {
        picture.plain[span_.start]: str(span_.style)
        for span_ in picture.spans
        if "\u2800" < picture.plain[span_.start] <= "\u28ff"
    }
    row = picture.plain.split("\n")[3][GUTTER:]
    assert row[0] == row[-1] == "⣤"  # the blots of our two sessions
    assert drawn["⣤"] == "cyan"
    assert set(row[1:-1].strip()) and "yellow" in drawn.values()


def test_without_a_point_there_is_only_the_legend() -> None:
    assert draw([Curve("ours", [None], "cyan")], sessions=1, width=30, height=5).plain.strip() == "━━ ours"
