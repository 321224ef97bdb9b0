"""Charts and matrices as pictures for papers, drawn with matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clsim.report.html.content import Chart
from clsim.report.html.page import HIGHEST, styled
from clsim.report.table import Table
from clsim.utils.text import clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = "osD^XP*p"
DASHES = ("--", ":", "-.", (0, (8, 3)))
STYLE: Any = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "clsim"}
MOST = 16
"""Rows of a matrix up to which every figure is written into its cell."""


def picture(part: Chart | Table) -> Figure:
    """Return a chart, or a matrix as a heat map with its values."""
    from matplotlib.figure import Figure

    if isinstance(part, Chart):
        drawn = Figure(figsize=(4.6, 3.2))
        _draw_chart(drawn.add_subplot(), part)
        return drawn
    side = 1.2 + 0.42 * min(len(part.rows), MOST)
    drawn = Figure(figsize=(side + 0.8, side))
    _draw_matrix(drawn.add_subplot(), part)
    return drawn


def _draw_chart(axes: Axes, chart: Chart) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator, PercentFormatter

    nothing, bars = float("nan"), 0.8 / len(chart.lines)
    for number, color, line in styled(chart.lines):
        y = [nothing if value is None else value for value in line.y]
        look: dict[str, Any] = {"label": _text(line.name), "color": color}
        if chart.bars:
            axes.bar([x - 0.4 + bars * (number + 0.5) for x in line.x], y, bars, **look)
        elif line.reference:
            axes.plot(line.x, y, linestyle=DASHES[number % len(DASHES)], linewidth=1.2, **look)
        else:
            axes.plot(line.x, y, marker=MARKERS[number % len(MARKERS)], markersize=4, linewidth=1.5, **look)
            for x, bound in zip(line.x, line.bounds, strict=False):  # there may be none
                if bound:
                    axes.plot((x, x), bound, color=color, linewidth=1, marker="_", markersize=5)
    axes.set(xlabel=_text(chart.x), ylabel=_text(chart.y), title=_text(chart.title))
    axes.grid(alpha=0.3)
    if all(float(x).is_integer() for line in chart.lines for x in line.x):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if chart.unit == "percent":
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        if any(any(line.bounds) for line in chart.lines):  # as on the page
            low, high = axes.get_ylim()
            axes.set_ylim(max(low, 0.0), min(high, HIGHEST))
    if chart.unit == "bytes":
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    if chart.legend and len(chart.lines) > 1:
        axes.legend(fontsize=7, frameon=False)


def _draw_matrix(axes: Axes, table: Table) -> None:
    nothing = float("nan")
    values = [[nothing if cell.value is None else cell.value for cell in row[1:]] for row in table.rows]
    known = [value for row in values for value in row if value == value]
    least, span = min(known, default=0.0), max(known, default=1.0) - min(known, default=0.0)
    # The darkest shades are not used, so that black figures are legible on all of them.
    axes.imshow(values, cmap="Blues", vmin=least - 0.1 * span, vmax=least + 2.2 * span if span else least + 1)
    width = range(len(table.rows))
    axes.set_xticks(width, map(_text, table.headings[1:]), fontsize=7)
    axes.set_yticks(width, [_text(row[0].text) for row in table.rows], fontsize=7)
    axes.xaxis.tick_top()
    axes.set_title(_text(table.title), fontsize=8, wrap=True)
    axes.spines[:].set_visible(False)
    if len(table.rows) > MOST:
        return
    for i, row in enumerate(table.rows):
        for j, cell in enumerate(row[1:]):
            if cell.value is not None:
                weight = "bold" if cell.mark == "own" else "normal"
                style = "italic" if cell.mark == "low" else "normal"
                axes.text(j, i, cell.text, ha="center", va="center", fontsize=6.5, weight=weight, style=style)
    if any(cell.mark == "low" for row in table.rows for cell in row):
        axes.set_xlabel("italic: not compatible", fontsize=7)


def _text(text: str) -> str:
    """Return a text that is not read as a formula."""
    return clean(text).replace("$", r"\$")
