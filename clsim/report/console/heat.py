"""The cross-test matrix in heat colors."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from clsim.report.console.curve import span
from clsim.report.figures import packed
from clsim.report.matrix import FAILS, SELF, TIES, Grid

RAMP = (
    ("#5f005f", "#ffffff"),
    ("#5f0087", "#ffffff"),
    ("#5f5faf", "#ffffff"),
    ("#0087af", "#000000"),
    ("#00afaf", "#000000"),
    ("#5faf87", "#000000"),
    ("#5fd75f", "#000000"),
    ("#87d75f", "#000000"),
    ("#afd700", "#000000"),
    ("#ffff5f", "#000000"),
)
"""Background and a legible ink for it, the lowest first. Lightness grows, so that hue is not the only cue.

All are among the 256 colors that nearly every terminal has.
"""
MARKS = {FAILS: "bold #ffffff on #d70000", TIES: "bold #000000 on #ffaf00"}
MARKS_WITHOUT_SHADES = {FAILS: "bold red", TIES: "bold yellow"}
BLOCK = "█"


def has_shades(console: Console) -> bool:
    """Return whether `console` has enough colors for backgrounds; 16 are too few for legible text."""
    return console.color_system in ("256", "truecolor") and not console.no_color


def heat(grid: Grid, *, shades: bool) -> Text:
    """Return the numbers of the columns and the rows on backgrounds between round percents.

    Args:
        grid: Matrix laid out.
        shades: Whether to color backgrounds; otherwise only the marks of pairs that fail are colored.

    """
    low, high = _span(grid)
    lines = [Text(grid.heading, "dim")]
    for label, cells in grid.rows:
        row = Text().append(f"{label} ", "dim")
        for cell in cells:
            ground = _style(cell.value, low, high) if shades else ""
            figure = cell.figure.lstrip(" ")
            row.append(" " * (len(cell.figure) - len(figure)), ground)
            row.append(figure, f"{ground} bold underline" if cell.mark == SELF else ground)
            row.append(cell.mark, (MARKS if shades else MARKS_WITHOUT_SHADES).get(cell.mark, ground))
        lines.append(row)
    block = Text("\n").join(lines)
    block.no_wrap = True
    return block


def legend(grid: Grid, width: int, *, shades: bool) -> list[Text]:
    """Return the meaning of marks and backgrounds, on as few lines of `width` characters as possible."""
    low, high = _span(grid)
    scale = [f"{low}% {BLOCK * len(RAMP)} {high}%"] if shades and grid.values else []
    lines = []
    for line in packed([*grid.legend(), *scale], width):
        text = Text(line, overflow="fold")
        start = line.find(BLOCK)
        for place, (ground, _) in enumerate(RAMP if start >= 0 else ()):
            text.stylize(ground, start + place, start + place + 1)
        lines.append(text)
    return lines


def _span(grid: Grid) -> tuple[int, int]:
    return span(grid.values) if grid.values else (0, 100)


def _style(value: float | None, low: int, high: int) -> str:
    if value is None:
        return ""
    ground, ink = RAMP[min(len(RAMP) - 1, max(0, int((100 * value - low) / (high - low) * len(RAMP))))]
    return f"{ink} on {ground}"
