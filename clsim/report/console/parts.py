"""Parts of the terminal's display: panels, tables, notices and their colors.

Every string of a scenario or a data set enters as `Text`, never as markup: a class may be called ``[red]``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.table import Table as RichTable
from rich.text import Text

from clsim.experiment.events import RunInfo
from clsim.report.console.plain import stand_in_line, validation_line, write_line
from clsim.report.figures import stand_in_sentences, validation_sentence
from clsim.report.table import GAP, Table
from clsim.utils.text import clean

OURS, THEIRS = "cyan", "yellow"
STYLES = {"ours": OURS, "theirs": THEIRS, "gain": "green", "loss": "red"}
"""Styles of columns and of marked cells."""
FRAME = 4
"""Characters of a panel's borders and padding, left and right."""
BORDERS = 2
"""Lines of a panel's borders."""
SLIM = 76
"""Least width of a panel's content if the terminal has it."""
BETWEEN = 3
"""Characters between two things side by side."""


def run_title(info: RunInfo) -> Text:
    """Return scenario, strategy and seed for the corner of a panel."""
    return Text.assemble((clean(info.scenario), "bold"), " · ", (clean(info.strategy), OURS), f" · seed {info.seed}")


def framed(content: RenderableType, title: str, inner: int, *, subtitle: Text | None = None) -> Panel:
    """Return a session's panel around `content`, which is `inner` characters wide."""
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
    """Return the first panel, then the others: in a row if `width` has room for them, else below each other.

    Panels below each other get one width.
    """
    others = sum((panel.width or width) + 1 for panel in panels[1:]) - 1
    if len(panels) > 2 and others <= width:
        grid = RichTable.grid(padding=(0, 1, 0, 0), pad_edge=False)
        grid.add_row(*panels[1:])
        return [panels[0], grid]
    for panel in panels:
        panel.width = max(other.width or width for other in panels)
    return list(panels)


def side_by_side(left: RenderableType, right: RenderableType) -> RichTable:
    """Return two things in a row, `BETWEEN` characters apart."""
    grid = RichTable.grid(padding=(0, BETWEEN, 0, 0))
    grid.add_row(left, right)
    return grid


def plain_table() -> RichTable:
    """Return an empty table with a rule below its headings."""
    # One space between columns is the box's own divider, the other the padding.
    return RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0))


def rich_table(table: Table, *, strong: int | None = None) -> RichTable:
    """Return a table for the terminal; a name is not repeated below itself.

    Args:
        table: Table to show, narrow enough for the terminal.
        strong: Index of a row in bold, such as the latest session; negative ones count from the end.

    """
    grid = plain_table()
    tallest = max((column.heading.count("\n") for column in table.columns), default=0)
    for column in table.columns:
        heading = "\n" * (tallest - column.heading.count("\n")) + column.heading
        justify = "left" if column.left else "right"
        style = STYLES.get(column.style, column.style)
        grid.add_column(Text(heading, "bold"), style=style, justify=justify, no_wrap=not column.left, overflow="fold")  # type: ignore[arg-type]
    rows, above = table.rows, ""
    repeats = [column.left for column in table.columns[:3]] == [True, True, False]
    for index, row in enumerate(rows):
        cells = [Text(cell.text, STYLES.get(cell.mark, cell.mark)) for cell in row]
        if index and repeats and row[0].text == above:
            cells[0] = Text()
        above = row[0].text
        grid.add_row(*cells, style="bold" if strong is not None and index == strong % len(rows) else "")
    return grid


def print_table(console: Console, table: Table, *, strong: int | None = None) -> None:
    """Print a table with its title: in color and as wide as fits on a terminal, as plain lines elsewhere."""
    if console.is_terminal:
        console.print(Text(f"\n{clean(table.title)}", "bold"))
        console.print(rich_table(table.fitted(console.width), strong=strong))
        return
    for line in (table.title, *table.lines):
        write_line(console.file, line.replace(" ± ", "±").replace("±", " +- "))


def print_line(console: Console, text: str, style: str = "") -> None:
    """Print a line, styled on a terminal."""
    if console.is_terminal:
        console.print(Text(clean(text), style, overflow="fold"))
    elif text:
        write_line(console.file, text)


def print_notices(
    console: Console, scenario: str, missing: Mapping[str, Any] | None, validation: Mapping[str, Any] | None = None
) -> None:
    """Print the notice of a stand-in and that of a validation run, if there is cause for them.

    Args:
        console: Console to print to.
        scenario: Name of the scenario that runs.
        missing: Scenario that it stands in for, and why; None if it is no stand-in.
        validation: Held-out training images used for evaluation; None for test images.

    """
    if console.is_terminal:
        if missing:
            console.print(stand_in_notice(scenario, missing))
        if validation:
            console.print(validation_notice(validation))
        return
    for line in filter(None, (stand_in_line(scenario, missing), validation_line(validation))):
        write_line(console.file, line)


def stand_in_notice(scenario: str, missing: Mapping[str, Any] | None) -> RenderableType:
    """Return the notice of a stand-in, which must be the first and the last on the console."""
    styles = ("bold yellow", "bold red", "bold yellow")
    return _notice(" STAND-IN ", list(zip(stand_in_sentences(scenario, missing), styles, strict=False)))


def validation_notice(validation: Mapping[str, Any] | None) -> RenderableType:
    """Return the notice of a run evaluated on held-out training images."""
    return _notice(" VALIDATION ", [(validation_sentence(validation), "bold yellow")])


def _notice(tag: str, sentences: Sequence[tuple[str, str]]) -> RenderableType:
    grid = RichTable.grid(padding=(0, 1))
    for sentence, style in sentences:
        grid.add_row(Text(tag, "bold black on yellow", no_wrap=True), Text(sentence, style, overflow="fold"))
    return grid
