"""The cross-test matrix as text: as exact as space permits, with a mark on every pair that fails.

Cell ``(i, j)`` is the query by version ``i`` against the gallery by version ``j <= i``. The pair is compatible if it is
above ``(j, j)``, the gallery's self-test. Marks show that without color, at any width.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from clsim.utils.numbers import DASH, finite

Matrix = Sequence[Sequence[object]]
"""Fractions row by row; entries above the diagonal are ignored."""

SELF, FAILS, TIES, HOLDS = "*", "!", "=", " "
MEANING = {
    SELF: "* self-test",
    FAILS: "! fails: below its gallery's self-test",
    TIES: "= ties with it",
    ".": ". holds",
}
REPLACED = "r"
TITLE = "query by version (row), gallery by version (column)"


class Level(NamedTuple):
    """One way to write the cells.

    Attributes:
        unit: Unit of the figures.
        gap: Spaces before a figure.
        figure: Function that writes a fraction.
        holds: Mark of a compatible pair.

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
"""Levels, the most exact first."""


class MatrixCell(NamedTuple):
    """A cell: its figure with the space before it, its mark, and the fraction."""

    figure: str
    mark: str
    value: float | None


@dataclass(frozen=True)
class Grid:
    """The matrix laid out.

    Attributes:
        heading: Numbers of the columns.
        rows: Label and cells of each row; a row of dots has no cells.
        level: Level of its cells.
        width: Characters of the widest row.
        whole: Whether no row or column is omitted.

    """

    heading: str
    rows: tuple[tuple[str, tuple[MatrixCell, ...]], ...]
    level: Level
    width: int
    whole: bool

    @property
    def title(self) -> str:
        """Meaning of rows and columns."""
        return f"{TITLE}, {self.level.unit}" if self.level.unit else TITLE

    @property
    def values(self) -> list[float]:
        """All fractions shown."""
        return [cell.value for _, cells in self.rows for cell in cells if cell.value is not None]

    def legend(self) -> list[str]:
        """Return the meaning of each mark in use."""
        marks = {cell.mark for _, cells in self.rows for cell in cells}
        meanings = [meaning for mark, meaning in MEANING.items() if mark in marks]
        replaced = any(label.endswith(REPLACED) for label, _ in self.rows)
        return [*meanings, f"{REPLACED} model replaced"] if replaced else meanings

    def lines(self) -> list[str]:
        """Return heading and rows without color."""
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
    """Return the matrix at the most exact of `levels` that fits.

    Args:
        matrix: Lower triangular matrix with a row for each version.
        width: Characters that it may take; no limit if None. If even marks do not fit, the first column and the latest
            stay.
        rows: Rows that it may take; no limit if None. The first and the latest stay.
        replaced: Versions of sessions with a replacement.
        levels: Levels of the cells, the most exact first.

    """
    versions = len(matrix)
    shown = kept(versions, rows)
    tail = REPLACED if any(version in replaced for version in shown if version is not None) else ""
    labels = [
        "⋮" if version is None else f"{version}{REPLACED if version in replaced else ' ' * len(tail)}"
        for version in shown
    ]
    room = max(map(len, labels), default=0)
    seen = [value for i in shown if i is not None for j in range(i + 1) if (value := _at(matrix, i, j)) is not None]
    level, cell = levels[-1], 1
    for level in levels:
        cell = level.gap + max((len(level.figure(value)) for value in seen), default=1) + 1
        if width is None or room + 1 + versions * cell <= width:
            break
    columns = kept(versions, None if width is None else max(1, (width - room - 1) // cell))
    body = (
        () if i is None else tuple(_cell(matrix, i, j, cell, level) for j in columns if j is None or j <= i)
        for i in shown
    )
    return Grid(
        heading=_heading(columns, cell, room + 1),
        rows=tuple(zip((label.rjust(room) for label in labels), body, strict=True)),
        level=level,
        width=room + 1 + len(columns) * cell,
        whole=len(shown) == len(columns) == versions,
    )


def kept(count: int, limit: int | None) -> list[int | None]:
    """Return at most `limit` of `count` indices: the first, None for omitted ones, the latest.

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


def _cell(matrix: Matrix, i: int, j: int | None, width: int, level: Level) -> MatrixCell:
    if j is None:
        return MatrixCell("⋯".rjust(width - 1), "" if width == 1 else " ", None)
    value, own = _at(matrix, i, j), _at(matrix, j, j)
    figure = DASH * (width > 1) if value is None else level.figure(value)
    if value is None or own is None:
        mark = " "
    elif i == j:
        mark = SELF
    else:
        mark = FAILS if value < own else TIES if value == own else level.holds
    return MatrixCell(figure.rjust(width - 1), mark, value)


def _heading(columns: Sequence[int | None], cell: int, start: int) -> str:
    """Return numbers above the columns; above narrow cells only every second, fifth, ... one."""
    room = len(str(max((column for column in columns if column is not None), default=0))) + 1
    step = next((s for s in (1, 2, 5, 10, 20, 50, 100) if s * cell >= room), 100)
    line = ""
    for place, column in enumerate(columns):
        label = "" if column is None or column % step else str(column)
        at = start + place * cell + max(cell - 1, 1) - len(label)
        if label and at > len(line.rstrip()):
            line = line.ljust(at) + label
    return line
