"""A small picture of accuracy over sessions, drawn with braille dots (2 x 4 to a character)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.text import Text

GUTTER = 8
"""Characters left of the picture: the labels of the vertical axis and the axis itself."""

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_EMPTY = 0x2800


@dataclass(frozen=True)
class Curve:
    """One curve: a fraction for each session (None: no point), how it is coloured and named."""

    name: str
    values: Sequence[float | None]
    style: str
    dashed: bool = False


def span(values: Sequence[float]) -> tuple[int, int]:
    """The percents between which the axis runs: round numbers, with a whole number halfway.

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


class _Canvas:
    """Dots in a grid of `width` x `height` characters; a cell shows the colour of the curve drawn first."""

    def __init__(self, width: int, height: int) -> None:
        self.columns, self.rows = 2 * width, 4 * height
        self._bits = [[0] * width for _ in range(height)]
        self._styles: list[list[str | None]] = [[None] * width for _ in range(height)]

    def dot(self, x: int, y: int, style: str) -> None:
        if 0 <= x < self.columns and 0 <= y < self.rows:
            row, column = y // 4, x // 2
            self._styles[row][column] = self._styles[row][column] or style
            if self._styles[row][column] == style:
                self._bits[row][column] |= _DOTS[y % 4][x % 2]

    def line(self, start: tuple[int, int], end: tuple[int, int], style: str, dashed: bool) -> None:
        (x0, y0), (x1, y1) = start, end
        length = max(abs(x1 - x0), abs(y1 - y0), 1)
        for i in range(length + 1):
            x = x0 + round(i * (x1 - x0) / length)
            if not dashed or x % 4 < 2:
                self.dot(x, y0 + round(i * (y1 - y0) / length), style)

    def row(self, index: int) -> Text:
        text = Text()
        for bits, style in zip(self._bits[index], self._styles[index], strict=True):
            text.append(chr(_EMPTY | bits) if bits else " ", style or "")
        return text


def draw(curves: Sequence[Curve], *, sessions: int, width: int, height: int) -> Text:
    """Draw `curves` over sessions 0 .. `sessions` - 1 in `width` characters and `height` + 3 lines.

    The first line is the legend, the last two the horizontal axis. Nothing but the legend is drawn while no
    curve has a point. The first curve lies on top, with a blot at each of its sessions.
    """
    lines = [_legend(curves, width)]
    known = [v for curve in curves for v in curve.values if v is not None]
    if not known:
        return lines[0]
    low, high = span(known)
    cells, gaps = max(width - GUTTER, 2), max(sessions - 1, 1)
    if cells > gaps:
        cells = (cells - 1) // gaps * gaps + 1  # sessions at equal distances
    canvas = _Canvas(cells, height)

    def place(session: int, value: float) -> tuple[int, int]:
        y = (high - 100 * value) / (high - low) * (canvas.rows - 1)
        return 2 * (session * (cells - 1) // gaps), round(y)

    for index, curve in enumerate(curves):
        dots = [place(i, v) if v is not None else None for i, v in enumerate(curve.values[:sessions])]
        for start, end in pairwise(dots):
            if start and end:
                canvas.line(start, end, curve.style, curve.dashed)
        if (index == 0 and cells > 2 * gaps) or len(dots) == 1:
            for dot in filter(None, dots):
                for x, y in ((0, 0), (1, 0), (0, 1), (1, 1)):
                    canvas.dot(dot[0] + x, min(dot[1], canvas.rows - 2) + y, curve.style)

    labels = {0: high, height // 2: (high + low) // 2, height - 1: low}
    for row in range(height):
        label = f"{labels[row]}% ┤" if row in labels else "│"
        lines.append(Text(label.rjust(GUTTER), "dim") + canvas.row(row))
    picture = Text("\n", no_wrap=True).join([*lines, *_axis([s * (cells - 1) // gaps for s in range(sessions)], cells)])
    picture.no_wrap = True  # blank braille would be a place to wrap
    return picture


def _legend(curves: Sequence[Curve], width: int) -> Text:
    text = Text()
    for curve in curves:
        text.append("╌╌ " if curve.dashed else "━━ ", curve.style)
        text.append(f"{curve.name}  ")
    text.rstrip()
    text.pad_left(min(GUTTER, max(0, width - text.cell_len)))
    text.truncate(width, overflow="ellipsis")
    return text


def _axis(columns: Sequence[int], cells: int) -> list[Text]:
    """The horizontal axis: `columns` are the sessions' places among `cells` characters."""
    room = len(str(len(columns))) + 2
    steps = (1, 2, 5, 10, 20, 50, 100)
    pace = cells / max(len(columns), 1)
    step = next((s for s in steps if s * pace >= room), len(columns))
    rule, labels = ["─"] * cells, ""
    for session in range(0, len(columns), step):
        label = str(session)
        start = min(columns[session], cells - len(label))
        rule[columns[session]] = "┬"
        labels = labels.ljust(start) + label
    return [
        Text("└".rjust(GUTTER) + "".join(rule), "dim"),
        Text("session".ljust(GUTTER) + labels, "dim"),
    ]
