"""Accuracy by session of origin as a block of text with a bar and a figure for each session."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from clsim.utils.numbers import finite, percent

BARS = "▁▂▃▄▅▆▇█"
HEADING = "by session of origin"
GAP = 2


def origins_block(accuracies: Sequence[object], *, width: int, lines: int, style: str) -> Text:
    """Return a heading, then the accuracies on the test images of each session's classes, column by column.

    Args:
        accuracies: Fractions (or None) by session.
        width: Characters that the block may take.
        lines: Lines that it may take below the heading; if space is short, the first sessions and the latest stay.
        style: Color of the bars.

    """
    if not accuracies:
        return Text()
    digits = len(str(len(accuracies) - 1))
    figures = [percent(value) for value in accuracies]
    wide = max(map(len, figures))
    entry = digits + len(" ▇ ") + wide
    columns = min(max(1, (width + GAP) // (entry + GAP)), -(-len(figures) // lines))
    shown: list[int | None] = list(range(len(figures)))
    if len(shown) > columns * lines:
        first = columns * lines // 3
        shown = [*shown[:first], None, *shown[first + 1 - columns * lines :]]
    tall = -(-len(shown) // columns)
    rows = [Text(HEADING, "bold")]
    for line in range(tall):
        row = Text()
        for index in shown[line::tall]:
            row.append(" " * GAP if row.plain else "")
            if index is None:
                row.append("⋮".rjust(digits).ljust(entry), "dim")
            else:
                row.append(f"{index:>{digits}} ", "dim").append(_bar(accuracies[index]), style)
                row.append(f" {figures[index]:>{wide}}")
        rows.append(row)
    block = Text("\n").join(rows)
    block.no_wrap = True
    return block


def _bar(accuracy: object) -> str:
    value = finite(accuracy)
    return " " if value is None else BARS[min(7, max(0, int(8 * value)))]
