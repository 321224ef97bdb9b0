from __future__ import annotations

import math

import pytest

from clsim.report.table import NAME_WIDTH, Cell, Column, Table, column, exact, of_rows, signed, words

WIDE = Table(
    "t",
    (
        column("name", ["x" * 40, "b"], left=True),
        column("kept", ["1", "2"]),
        column("first\nto go", ["100", "200"], rank=2),
        column("then", ["1", "2"], rank=1),
    ),
)


def test_columns_are_dropped_by_rank_and_a_name_counts_as_folded() -> None:
    assert WIDE.width == NAME_WIDTH + 4 + 5 + 4 + 3 * 2
    assert WIDE.fitted(WIDE.width) == WIDE
    assert WIDE.fitted(WIDE.width - 1).headings == ("name", "kept", "then")
    assert WIDE.fitted(0).headings == ("name", "kept")


def test_columns_of_one_rank_are_dropped_together() -> None:
    table = Table("t", (column("a", ["1"]), column("b", ["1"], rank=1), column("c", ["1"], rank=1)))
    assert table.fitted(5).headings == ("a",)


def test_the_first_row_and_the_latest_stay() -> None:
    table = Table("t", (column("n", map(str, range(9))),))
    assert [text for (text,) in table.latest(4).texts] == ["0", "⋮", "7", "8"]
    assert table.latest(9) == table


def test_columns_without_a_figure_are_dropped() -> None:
    rows = [(words("a"), exact(None), exact(0.5)), (words("b"), exact(math.nan), exact(None))]
    table = of_rows("name", "title", ("x", "y", "z"), rows)
    assert table.known().headings == ("x", "z")
    assert [c.left for c in table.columns] == [True, True, False]
    assert of_rows("name", "title", ("x",), []).known().headings == ("x",)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (exact(0.87834), Cell("87.83", 0.87834)),
        (exact(1200, "count"), Cell("1,200", 1200.0)),
        (exact(1 << 20, "bytes"), Cell("1.0 MiB", float(1 << 20))),
        (exact("x"), Cell("-")),
        (signed(0.01), Cell("+1.00", 0.01, "gain")),
        (signed(-0.01, colored=False), Cell("-1.00", -0.01)),
        (words("\x1b[31m"), Cell(r"\x1b[31m")),
        (words(""), Cell("-")),
    ],
)
def test_cells(cell: Cell, expected: Cell) -> None:
    assert cell == expected


def test_lines_align_names_to_the_left_and_figures_to_the_right() -> None:
    table = Table("t", (column("name", ["a", "long"], left=True), Column("n", (Cell("1"), Cell("100")))))
    assert table.lines == ["name    n", "a       1", "long  100"]
