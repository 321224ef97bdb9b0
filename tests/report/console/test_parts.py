from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.panel import Panel

from clsim.report.console.parts import print_table, rich_table, stacked
from clsim.report.table import Column, Table, column, signed


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
    table = Table("", (Column("points", (signed(0.01), signed(-0.01), signed(None), signed(-0.01, colored=False))),))
    assert [cell.style for cell in rich_table(table).columns[0].cells] == ["green", "red", "", ""]


def test_a_name_is_shown_once_and_folded() -> None:
    names = (column("figure", ["AC", "AC", "AM"], left=True), column("strategy", ["x" * 40, "b", "b"], left=True))
    table = Table("a title", (*names, column("mean", ["1", "2", "3"])))
    assert [cell.plain for cell in rich_table(table).columns[0].cells] == ["AC", "", "AM"]
    console = Console(file=io.StringIO(), width=40, force_terminal=True, record=True)
    print_table(console, table)
    text = console.export_text()
    assert text.count("x") == 40 and max(map(len, text.splitlines())) <= 40


def test_elsewhere_a_table_is_plain_lines() -> None:
    console = Console(file=io.StringIO(), width=10)
    table = Table(
        "a title", (column("name", ["long name", "b"], left=True), column("two\nlines", ["1.00±0.50", "2 ± 1"]))
    )
    print_table(console, table)
    assert console.file.getvalue().splitlines() == [
        "a title",
        "name       two lines",
        "long name  1.00 +- 0.50",
        "b              2 +- 1",
    ]
