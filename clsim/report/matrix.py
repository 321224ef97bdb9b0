"""The cross-test matrix as text: as exact as there is room for, every pair that fails marked. No escape codes here.

Cell ``(i, j)`` is the query by version ``i`` against the gallery by version ``j <= i``. The pair holds where it is
above ``(j, j)``, the gallery's self-test. What holds and what does not is said by a mark, so that it can be read
without colour, and at any width.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from clsim.report.figures import DASH, finite

Matrix = Sequence[Sequence[object]]
"""Fractions, row by row; what lies above the diagonal is ignored."""

SELF, FAILS, TIES, HOLDS = "*", "!", "=", " "
MEANING = {
    SELF: "* self-test",
    FAILS: "! fails: below its gallery's self-test",
    TIES: "= ties with it",
}
REPLACED = "r"
TITLE = "query by version (row), gallery by version (column)"


@dataclass(frozen=True)
class Level:
    """One way to write the cells: in which unit, what stands before a figure, the figure, the mark of one that holds.

    Attributes:
        unit: what the figures are.
        gap: spaces before a figure.
        figure: fraction -> text.
        holds: mark of a pair that holds.

    """

    unit: str
    gap: int
    figure: Callable[[float], str]
    holds: str = HOLDS


LEVELS = (
    Level("%", 1, lambda value: f"{100 * value:.2f}"),
    Level("%", 1, lambda value: f"{100 * value:.1f}"),
    Level("%", 0, lambda value: f"{100 * value:.0f}"),
    Level("tens of %, rounded down", 0, lambda value: str(min(9, max(0, int(10 * value))))),
    Level("", 0, lambda value: "", "."),
)
"""The exactest first."""


@dataclass(frozen=True)
class Cell:
    """One cell: its figure with the space before it, its mark, and the fraction behind them."""

    figure: str
    mark: str
    value: float | None


@dataclass(frozen=True)
class Grid:
    """The matrix laid out.

    Attributes:
        heading: numbers of the columns.
        rows: label and cells of each row; a row of dots has no cells.
        level: how its cells are written.
        width: characters of the widest row.
        whole: whether every row and column is here.

    """

    heading: str
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    level: Level
    width: int
    whole: bool

    @property
    def title(self) -> str:
        """What rows and columns are."""
        return f"{TITLE}, {self.level.unit}" if self.level.unit else TITLE

    @property
    def values(self) -> list[float]:
        """Every fraction that is shown."""
        return [cell.value for _, cells in self.rows for cell in cells if cell.value is not None]

    def legend(self) -> list[str]:
        """The meaning of each mark that is here."""
        marks = {cell.mark for _, cells in self.rows for cell in cells}
        meanings = [meaning for mark, meaning in MEANING.items() if mark in marks]
        if "." in marks:
            meanings.append(". holds")
        if any(label.endswith(REPLACED) for label, _ in self.rows):
            meanings.append(f"{REPLACED} model replaced")
        return meanings

    def lines(self) -> list[str]:
        """Heading and rows without colour."""
        rows = [f"{label} {''.join(cell.figure + cell.mark for cell in cells)}" for label, cells in self.rows]
        return [line.rstrip() for line in (self.heading, *rows)]


def lay_out(
    matrix: Matrix,
    *,
    width: int | None = None,
    rows: int | None = None,
    replaced: Collection[int] = (),
    levels: Sequence[Level] = LEVELS,
) -> Grid:
    """The matrix at the exactest of `levels` that takes at most `width` characters.

    Args:
        matrix: lower triangular, one row for each version.
        width: characters that it may take; no limit if None. Where even marks do not fit, the first column and the
            latest stay.
        rows: rows that it may take; no limit if None. The first and the latest stay.
        replaced: versions of sessions that had a replacement.
        levels: how cells may be written, the exactest first.

    """
    versions = len(matrix)
    shown = kept(versions, rows)
    tail = REPLACED if any(version in replaced for version in shown if version is not None) else ""
    labels = [
        "⋮" if version is None else f"{version}{REPLACED if version in replaced else ' ' * len(tail)}"
        for version in shown
    ]
    room = max(map(len, labels), default=0)
    labels = [label.rjust(room) for label in labels]
    seen = [value for i in shown if i is not None for j in range(i + 1) if (value := _at(matrix, i, j)) is not None]
    level, cell = levels[-1], 1
    for level in levels:
        cell = level.gap + max((len(level.figure(value)) for value in seen), default=1) + 1
        if width is None or room + 1 + versions * cell <= width:
            break
    columns = kept(versions, None if width is None else max(1, (width - room - 1) // cell))
    body = tuple(
        (label, () if i is None else tuple(_cell(matrix, i, j, cell, level) for j in columns if j is None or j <= i))
        for label, i in zip(labels, shown, strict=True)
    )
    return Grid(
        heading=_heading(columns, cell, room + 1),
        rows=body,
        level=level,
        width=room + 1 + len(columns) * cell,
        whole=len(shown) == len(columns) == versions,
    )


def kept(count: int, limit: int | None) -> list[int | None]:
    """At most `limit` of so many indices: the first, None for what is left out, the latest.

    >>> kept(31, 5)
    [0, None, 28, 29, 30]
    """
    if limit is None or count <= limit:
        return list(range(count))
    if limit < 3:
        return list(range(count - limit, count))
    return [0, None, *range(count - limit + 2, count)]


def _at(matrix: Matrix, i: int, j: int) -> float | None:
    return finite(matrix[i][j]) if j < len(matrix[i]) else None


def _cell(matrix: Matrix, i: int, j: int | None, width: int, level: Level) -> Cell:
    if j is None:
        return Cell("⋯".rjust(width - 1), "" if width == 1 else " ", None)
    value = _at(matrix, i, j)
    figure = DASH * (width > 1) if value is None else level.figure(value)
    return Cell(figure.rjust(width - 1), _mark(value, _at(matrix, j, j), i == j) or level.holds, value)


def _mark(value: float | None, own: float | None, same: bool) -> str:
    """The mark of a cell; empty where the pair holds, blank where it cannot be told."""
    if value is None or own is None:
        return " "
    if same:
        return SELF
    return FAILS if value < own else TIES if value == own else ""


def _heading(columns: Sequence[int | None], cell: int, start: int) -> str:
    """Numbers above the columns' figures; with narrow cells every second, fifth, ... only."""
    numbers = [column for column in columns if column is not None]
    room = len(str(max(numbers, default=0))) + 1
    step = next((s for s in (1, 2, 5, 10, 20, 50, 100) if s * cell >= room), 100)
    line = ""
    for place, column in enumerate(columns):
        label = "" if column is None or column % step else str(column)
        at = start + place * cell + max(cell - 1, 1) - len(label)
        if label and at > len(line.rstrip()):
            line = line.ljust(at) + label
    return line
