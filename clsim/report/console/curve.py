"""Accuracy over sessions as a small chart in braille dots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

GUTTER = 6
"""Characters left of the chart: labels of the vertical axis and the axis."""
COLORS = {"cyan": 6, "yellow": 3}
"""Codes of the terminal's colors for the chart."""


@dataclass(frozen=True)
class Curve:
    """One curve.

    Attributes:
        name: Name in the legend.
        values: Fraction of each session; None leaves a gap.
        style: Color.
        dotted: Whether a dot stands for each session in place of a line, so that curves differ without color.

    """

    name: str
    values: Sequence[float | None]
    style: str
    dotted: bool = False


def span(values: Sequence[float]) -> tuple[int, int]:
    """Return the percents between which the axis runs: round numbers with an integer halfway.

    >>> span([0.805, 0.878])
    (80, 90)
    >>> span([0.49, 0.73])
    (40, 80)
    """
    low, high = 100 * min(values), 100 * max(values)
    for extent, grid in ((10, 5), (20, 5), (30, 10), (40, 10), (50, 10), (60, 10), (80, 10)):
        start = min(int(low // grid) * grid, 100 - extent)
        if 0 <= start <= low and high <= start + extent:
            return start, start + extent
    return 0, 100


def draw(curves: Sequence[Curve], *, sessions: int, width: int, height: int) -> Text:
    """Draw curves over sessions in `width` characters and `height` + 3 lines.

    The first line is the legend, the last three are the horizontal axis. Without a point there is only the legend. The
    first curve lies on top.
    """
    known = [value for curve in curves for value in curve.values if value is not None]
    if not known:
        return _legend(curves, width)
    import plotext

    plotext.clear_figure()
    plotext.limit_size(False, False)
    plotext.plot_size(width, height + 2)
    plotext.theme("clear")
    plotext.xaxes(True, False)
    plotext.yaxes(True, False)
    for curve in reversed(curves):
        points = [None if value is None else 100 * value for value in curve.values[:sessions]]
        alone = curve.dotted or len(points) == 1
        color = COLORS.get(curve.style, "default")
        if alone:
            plotext.scatter(range(len(points)), points, marker="•", color=color)
        else:
            plotext.plot(range(len(points)), points, marker="braille", color=color)
    low, high = span(known)
    plotext.ylim(low, high)
    plotext.yticks([low, (low + high) // 2, high], [f"{tick:>3}%" for tick in (low, (low + high) // 2, high)])
    room = (width - GUTTER) // (len(str(sessions)) + 2)
    step = next((step for step in (1, 2, 5, 10, 20, 50, 100) if sessions / step <= room), sessions)
    plotext.xlim(0, max(sessions - 1, 1))
    plotext.xticks(range(0, sessions, step))
    plotext.xlabel("session")
    picture = Text("\n").join([_legend(curves, width), *Text.from_ansi(plotext.build().rstrip()).split("\n")])
    picture.no_wrap = True  # an empty braille character would be a place to wrap
    return picture


def _legend(curves: Sequence[Curve], width: int) -> Text:
    text = Text()
    for curve in curves:
        text.append("• " if curve.dotted else "━━ ", curve.style)
        text.append(f"{curve.name}  ")
    text.rstrip()
    text.pad_left(min(GUTTER, max(0, width - text.cell_len)))
    text.truncate(width, overflow="ellipsis")
    return text
