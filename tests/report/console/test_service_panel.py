from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from clsim.report.console.service_panel import service_panel

Make = Callable[..., Any]


@pytest.mark.parametrize("width", [60, 80, 100, 140])
@pytest.mark.parametrize("sessions", [1, 2, 7, 31])
@pytest.mark.parametrize("height", [21, 37])
def test_a_panel_is_whole_and_keeps_its_height(
    compatible: Make, drawn: Make, width: int, sessions: int, height: int
) -> None:
    panel, left_out = service_panel(compatible(sessions), width=width, height=height) or (None, None)
    lines = drawn(panel, width)
    assert len(lines) <= height
    assert {len(line) for line in lines} == {len(lines[0])} and len(lines[0]) <= width
    text = "".join(lines)
    assert "…" not in text and left_out == ("⋮" in text)
    assert ("in random order" in text) == (sessions > 1)  # version 0 has nothing to re-index
    assert ("▁" in text) == (sessions > 1 and width > 60)


def test_it_shows_search_with_and_without_re_indexing(compatible: Make, drawn: Make) -> None:
    panel, _ = service_panel(compatible(), width=100, height=37) or (None, None)
    lines = [line.strip("│ ").split() for line in drawn(panel, 100)]
    assert ["6", "9,996", "71.02%", "77.16%", "58.89%", "8,568", "7.2", "s"] in lines
    assert ["best", "first", "▁▃▄▅▅▆▆▇▇██", "71.02%", "75.36%", "77.16%", "75.12%"] in lines


def test_without_a_service_there_is_no_panel(results: Make) -> None:
    assert service_panel(results(3), width=80, height=21) is None
