from __future__ import annotations

import pytest
from rich.panel import Panel

from clsim.report.console.parts import sign_style, stacked


@pytest.mark.parametrize(("width", "together"), [(119, False), (121, True)])
def test_panels_stand_beside_each_other_where_there_is_room(width: int, together: bool) -> None:
    panels = [Panel("a", width=100), Panel("b", width=50), Panel("c", width=70)]
    assert len(stacked(panels, width)) == (2 if together else 3)


def test_panels_below_each_other_have_one_width() -> None:
    panels = [Panel("a", width=80), Panel("b", width=90), Panel("c", width=70)]
    assert stacked(panels, 100) == panels
    assert {panel.width for panel in panels} == {90}
    alone = Panel("a", width=80)
    assert stacked([alone], 200) == [alone] and alone.width == 80


def test_a_gain_is_green_a_loss_red_and_nothing_neither() -> None:
    assert [sign_style(text) for text in ("+1.00", "-1.00", "-", "")] == ["green", "red", "", ""]
