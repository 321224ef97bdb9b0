from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from clsim.report.console.compatibility_panel import compatibility_panel

Make = Callable[..., Any]


@pytest.mark.parametrize("width", [60, 80, 100, 140, 200])
@pytest.mark.parametrize("sessions", [1, 2, 7, 31])
@pytest.mark.parametrize("height", [21, 37])
@pytest.mark.parametrize("shades", [False, True])
def test_a_panel_is_whole_and_keeps_its_height(
    compatible: Make, drawn: Make, width: int, sessions: int, height: int, shades: bool
) -> None:
    shown = compatibility_panel(compatible(sessions), width=width, height=height, shades=shades)
    assert shown is not None
    lines = drawn(shown[0], width)
    assert len(lines) <= height
    assert {len(line) for line in lines} == {len(lines[0])} and len(lines[0]) <= width
    assert all(line[0] + line[-1] in ("╭╮", "││", "╰╯") for line in lines)
    text = "".join(lines)
    assert "…" not in text and "None" not in text and "nan" not in text.lower()
    assert shown[1] == ("⋮" in text)
    assert f"compatibility after session {sessions - 1} " in text


def test_at_80_columns_the_figures_stand_beside_the_matrix(compatible: Make, drawn: Make) -> None:
    panel, left_out = compatibility_panel(compatible(), width=80, height=21, shades=True) or (None, True)
    lines = [line.strip("│ ").split() for line in drawn(panel, 80)]
    assert not left_out
    assert lines[7] == ["4r", "65.0", "67.9", "70.8", "72.1!", "73.8*", "BC", "in", "points", "+2.47"]
    assert lines[4] == ["1", "59.7", "61.6*", "compatible", "pairs", "20", "of", "21"]


def test_at_100_columns_it_has_both_decimals(compatible: Make, drawn: Make) -> None:
    panel, _ = compatibility_panel(compatible(), width=100, height=37, shades=True) or (None, True)
    assert "4r  65.01  67.87  70.75  72.11! 73.83*" in "\n".join(drawn(panel, 100))


def test_at_140_columns_thirty_one_versions_have_whole_percents(compatible: Make, drawn: Make) -> None:
    panel, left_out = compatibility_panel(compatible(31), width=140, height=50, shades=True) or (None, True)
    assert not left_out
    last = next(line for line in drawn(panel, 140) if line.startswith("│ 30 "))
    assert last.count("!") > 5 and " 57 58 " in last


def test_where_nothing_was_measured_there_is_no_panel(results: Make) -> None:
    assert compatibility_panel(results(3), width=80, height=21, shades=True) is None


def test_without_the_matrix_the_figures_are_shown(compatible: Make, drawn: Make) -> None:
    panel, left_out = compatibility_panel(compatible(compatibility_matrix=None), width=80, height=21, shades=True) or (
        None,
        True,
    )
    text = "\n".join(drawn(panel, 80))
    assert "95.24%" in text and "query by" not in text and not left_out
