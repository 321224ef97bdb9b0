"""What the panels are made of: their frame, tables and colours."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from clsim.experiment.events import RunInfo
from clsim.report.figures import DASH
from clsim.report.table import GAP, Sessions
from clsim.utils.text import clean

OURS, THEIRS = "cyan", "yellow"
FRAME = 4
"""Characters of a panel's borders and padding, left and right."""
BORDERS = 2
"""Lines of a panel's borders."""
SLIM = 76
"""The least width of a panel's content where the terminal has it."""
LONGEST_NAME = 24
"""Characters of a strategy's name before it is folded, where the console is narrow."""
BETWEEN = 3
"""Characters between two things side by side."""


def run_title(info: RunInfo) -> Text:
    """Scenario, strategy and seed, for a panel's corner."""
    return Text.assemble((clean(info.scenario), "bold"), " · ", (clean(info.strategy), OURS), f" · seed {info.seed}")


def framed(content: RenderableType, title: str, inner: int, *, subtitle: Text | None = None) -> Panel:
    """A session's panel around `content`, which is `inner` characters wide."""
    return Panel(
        content,
        title=Text(title),
        subtitle=subtitle,
        title_align="left",
        subtitle_align="right",
        border_style=OURS,
        box=box.ROUNDED,
        width=inner + FRAME,
        padding=(0, 1),
    )


def stacked(panels: Sequence[Panel], width: int) -> list[RenderableType]:
    """The first panel, then the others: next to each other where `width` has room for them, else below each other.

    Those below each other get one width.
    """
    others = sum((panel.width or width) + 1 for panel in panels[1:]) - 1
    if len(panels) > 2 and others <= width:
        grid = Table.grid(padding=(0, 1, 0, 0), pad_edge=False)
        grid.add_row(*panels[1:])
        return [panels[0], grid]
    for panel in panels:
        panel.width = max(other.width or width for other in panels)
    return list(panels)


def side_by_side(left: RenderableType, right: RenderableType) -> Table:
    """Two things in a row, `BETWEEN` characters apart."""
    grid = Table.grid(padding=(0, BETWEEN, 0, 0))
    grid.add_row(left, right)
    return grid


def plain_table() -> Table:
    """An empty table with a rule below its headings."""
    # one space between columns is the box's own divider, the other the padding
    return Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0))


def table_of_sessions(table: Sessions) -> Table:
    """`table` in colour: the latest session bold, a difference green or red."""
    grid = plain_table()
    for column in table.columns:
        style = {"ours": OURS, "theirs": THEIRS}.get(column.tint, "")
        heading = Text("\n".join(filter(None, column.header)), "bold")
        grid.add_column(heading, style=style, justify="right", vertical="bottom", no_wrap=True)
    for index, row in enumerate(table.rows):
        cells = [
            Text(cell, sign_style(cell) if column.tint == "sign" else "")
            for column, cell in zip(table.columns, row, strict=True)
        ]
        grid.add_row(*cells, style="bold" if index == len(table.rows) - 1 else "")
    return grid


def sign_style(difference: str) -> str:
    """Green for a written gain, red for a loss."""
    return {"+": "green", "-": "red"}.get(difference[:1], "") if difference != DASH else ""
