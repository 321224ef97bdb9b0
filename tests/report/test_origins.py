from __future__ import annotations

import pytest

from clsim.report.origins import origins_block


def test_figures_run_down_the_columns() -> None:
    block = origins_block([0.8, 0.05, None, 1.0], width=40, lines=2, style="cyan")
    assert block.plain.split("\n") == [
        "by session of origin",
        "0 ▇  80.00%  2         -",
        "1 ▁   5.00%  3 █ 100.00%",
    ]


def test_thirty_one_sessions_in_a_small_block_keep_the_first_and_the_latest() -> None:
    block = origins_block([0.5] * 31, width=26, lines=4, style="cyan")
    words = block.plain.replace("by session of origin", "").split()
    assert [w for w in words if w.isdigit() or w == "⋮"] == ["0", "27", "1", "28", "⋮", "29", "26", "30"]


@pytest.mark.parametrize("sessions", [1, 2, 9, 31])
@pytest.mark.parametrize("width", [20, 38, 60])
@pytest.mark.parametrize("lines", [4, 7])
def test_the_block_keeps_to_its_place(sessions: int, width: int, lines: int) -> None:
    rows = origins_block([0.5] * sessions, width=width, lines=lines, style="cyan").split("\n")
    assert len(rows) <= lines + 1
    assert max(row.cell_len for row in rows) <= width


def test_no_accuracies_no_block() -> None:
    assert origins_block([], width=20, lines=4, style="cyan").plain == ""
