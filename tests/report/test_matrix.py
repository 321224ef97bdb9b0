from __future__ import annotations

import math
import random

import pytest

from clsim.report.matrix import FAILS, LEVELS, SELF, TIES, Grid, kept, lay_out

Rows = list[list[float]]


def marks(grid: Grid) -> list[str]:
    return ["".join(cell.mark for cell in cells) for _, cells in grid.rows]


def test_the_published_matrix_as_it_is_printed(matrix: Rows) -> None:
    assert lay_out(matrix, replaced={0, 2, 4}).lines() == [
        "        0      1      2      3      4      5      6",
        "0r  58.89*",
        "1   59.70  61.56*",
        "2r  63.05  65.28  69.31*",
        "3   63.34  65.30  70.63  72.37*",
        "4r  65.01  67.87  70.75  72.11! 73.83*",
        "5   64.08  67.19  71.17  72.71  74.70  76.19*",
        "6   63.14  66.35  72.10  73.50  75.23  76.65  77.16*",
    ]


def test_what_lies_above_the_diagonal_is_ignored(matrix: Rows) -> None:
    padded = [[*row, *[None] * (7 - len(row))] for row in matrix]
    assert lay_out(padded) == lay_out(matrix)
    assert lay_out([[0.5, 0.9], [0.6, 0.7]]).lines()[1:] == ["0  50.00*", "1  60.00  70.00*"]


@pytest.mark.parametrize("width", [None, 60, 48, 30, 20, 10])
def test_every_pair_that_fails_is_marked_at_every_width(matrix: Rows, width: int | None) -> None:
    assert marks(lay_out(matrix, width=width))[4].replace(".", " ") == f"   {FAILS}{SELF}"
    assert "".join(marks(lay_out(matrix, width=width))).count(FAILS) == 1


def test_a_mark_follows_the_exact_figures_not_the_written_ones() -> None:
    grid = lay_out([[0.50004], [0.50003, 0.7], [0.50004, 0.70001, 0.8]])
    assert marks(grid) == [SELF, FAILS + SELF, f"{TIES} {SELF}"]
    assert "50.00!" in grid.lines()[2]
    assert grid.legend() == ["* self-test", "! fails: below its gallery's self-test", "= ties with it"]


def test_zeros_tie_and_what_is_missing_is_a_dash_without_a_mark() -> None:
    grid = lay_out([[0.0], [0.0, math.nan], [None, 0.4, 1.0]])
    assert grid.lines()[1:] == ["0    0.00*", "1    0.00=      -", "2       -   40.00  100.00*"]


def test_cells_are_as_exact_as_there_is_room_for(matrix: Rows) -> None:
    rows = {width: lay_out(matrix, width=width).lines()[2] for width in (51, 50, 44, 43, 23, 22, 16, 15, 9)}
    assert rows == {
        51: "1  59.70  61.56*",
        50: "1  59.7  61.6*",
        44: "1  59.7  61.6*",
        43: "1 60 62*",
        23: "1 60 62*",
        22: "1 5 6*",
        16: "1 5 6*",
        15: "1 .*",
        9: "1 .*",
    }
    assert [level.unit for level in LEVELS] == ["%", "%", "%", "tens of %, rounded down", ""]


@pytest.mark.parametrize("width", range(9, 60, 3))
@pytest.mark.parametrize("versions", [1, 2, 7, 31, 101])
def test_no_line_is_wider_than_asked_and_numbers_stand_above_their_columns(width: int, versions: int) -> None:
    chance = random.Random(versions)
    grid = lay_out([[chance.random() for _ in range(i + 1)] for i in range(versions)], width=width, rows=9)
    lines = grid.lines()
    assert max(map(len, lines)) <= grid.width <= width
    assert len(grid.rows) == min(versions, 9)
    last = lines[-1]
    start = len(grid.rows[0][0]) + 1
    size = (grid.width - start) // len(grid.rows[-1][1])
    for place, number in enumerate(_columns(grid, versions)):
        written = lines[0][start + place * size : start + (place + 1) * size].split()
        if written and size > 1 and number is not None:
            assert written[-1] == str(number)
    assert last.startswith(str(versions - 1).rjust(start - 1))
    assert last.endswith(SELF)


def _columns(grid: Grid, versions: int) -> list[int | None]:
    shown = len(grid.rows[-1][1])
    return kept(versions, shown)


def test_thirty_one_versions_in_few_lines_keep_the_first_and_the_latest() -> None:
    grid = lay_out([[0.5] * (i + 1) for i in range(31)], width=76, rows=5)
    assert [label.strip() for label, _ in grid.rows] == ["0", "⋮", "28", "29", "30"]
    assert not grid.whole
    assert grid.heading.split()[:4] == ["0", "2", "4", "6"]
    assert lay_out([[0.5] * (i + 1) for i in range(31)], width=76).whole


def test_columns_that_do_not_even_fit_as_marks_give_way() -> None:
    grid = lay_out([[0.5] * (i + 1) for i in range(101)], width=24)
    assert not grid.whole
    assert grid.lines()[-1] == "100 =⋯" + "=" * 17 + "*"


def test_an_empty_matrix_is_no_rows() -> None:
    assert lay_out([]).rows == ()
    assert lay_out([], width=20, rows=3).legend() == []


@pytest.mark.parametrize("limit", range(1, 8))
def test_kept_is_at_most_the_limit_and_ends_with_the_last(limit: int) -> None:
    shown = kept(10, limit)
    assert len(shown) == limit and shown[-1] == 9
    assert limit < 3 or shown[:2] == [0, None]
