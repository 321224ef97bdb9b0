"""The one table of all reports: the console, the page, papers and CSV files show it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from clsim.results.figures import FORMATS, Unit
from clsim.utils.numbers import DASH, finite, points
from clsim.utils.text import clean

GAP = 2
"""Spaces between columns."""
NAME_WIDTH = 24
"""Characters of a name before it is folded on a narrow console."""


class Cell(NamedTuple):
    """A cell of a table.

    Attributes:
        text: Text for readers.
        value: Exact value of a figure; None for text.
        mark: Meaning that shows in the look: ``gain``, ``loss``, ``low`` for a figure below the one that it must
            exceed, ``own`` for a version in its own gallery.
        pictures: Data URIs of images shown after the text.

    """

    text: str
    value: float | None = None
    mark: str = ""
    pictures: tuple[str, ...] = ()


NOTHING = Cell(DASH)


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        heading: Heading, on one or two lines.
        cells: Cells from top to bottom.
        rank: Place in the order in which columns are dropped to save space, the highest first; 0 stays.
        style: Style of the column on a terminal.
        left: Whether it holds text: aligned to the left and folded if long.

    """

    heading: str
    cells: tuple[Cell, ...]
    rank: int = 0
    style: str = ""
    left: bool = False

    @property
    def title(self) -> str:
        """Heading on one line."""
        return self.heading.replace("\n", " ").strip()

    @property
    def width(self) -> int:
        """Characters that the column needs."""
        lines = [line for text in (self.heading, *(cell.text for cell in self.cells)) for line in text.split("\n")]
        width = max(map(len, lines))
        return min(width, NAME_WIDTH) if self.left else width


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        title: Caption.
        columns: Columns from left to right, all of one length.
        name: Name of the files made of it.
        heat: Whether figures are shaded by size.
        notes: Sentences below the table.

    """

    title: str
    columns: tuple[Column, ...]
    name: str = ""
    heat: bool = False
    notes: tuple[str, ...] = ()

    @property
    def headings(self) -> tuple[str, ...]:
        """Headings, each on one line."""
        return tuple(column.title for column in self.columns)

    @property
    def rows(self) -> tuple[tuple[Cell, ...], ...]:
        """Cells row by row."""
        return tuple(zip(*(column.cells for column in self.columns), strict=True))

    @property
    def texts(self) -> list[tuple[str, ...]]:
        """Texts of the cells row by row."""
        return [tuple(cell.text for cell in row) for row in self.rows]

    @property
    def width(self) -> int:
        """Characters of the whole table on a console."""
        return sum(column.width for column in self.columns) + GAP * (len(self.columns) - 1)

    @property
    def lines(self) -> list[str]:
        """Lines of plain text: headings and rows."""
        columns = [[column.title, *(cell.text for cell in column.cells)] for column in self.columns]
        widths = [max(map(len, texts)) for texts in columns]
        aligned = [
            [text.ljust(width) if column.left else text.rjust(width) for text in texts]
            for column, texts, width in zip(self.columns, columns, widths, strict=True)
        ]
        return [(" " * GAP).join(line).rstrip() for line in zip(*aligned, strict=True)]

    def without_notes(self) -> Table:
        """Return the table without its notes."""
        return replace(self, notes=())

    def known(self) -> Table:
        """Return the table without columns that hold nothing but dashes."""
        known = (c for c in self.columns if not c.cells or any(cell.text != DASH for cell in c.cells))
        return replace(self, columns=tuple(known))

    def fitted(self, width: int) -> Table:
        """Return the table without as many columns of the highest ranks as keep it from `width` characters."""
        table = self
        while table.width > width and (rank := max(column.rank for column in table.columns)):
            table = replace(table, columns=tuple(column for column in table.columns if column.rank != rank))
        return table

    def latest(self, limit: int) -> Table:
        """Return the table with at most `limit` rows: the first, a row of dots, the latest."""
        if not self.columns or len(self.columns[0].cells) <= limit:
            return self
        tail = limit - 2
        shortened = (replace(c, cells=(c.cells[0], Cell("⋮"), *c.cells[-tail:])) for c in self.columns)
        return replace(self, columns=tuple(shortened))


def column(heading: str, texts: Iterable[str], *, rank: int = 0, style: str = "", left: bool = False) -> Column:
    """Return a column of texts."""
    return Column(heading, tuple(map(Cell, texts)), rank, style, left)


def of_rows(
    name: str,
    title: str,
    headings: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    ranks: Sequence[str] = (),
    heat: bool = False,
    notes: Sequence[str] = (),
) -> Table:
    """Return a table of rows; a column without exact values is aligned to the left.

    Args:
        name: Name of the files made of it.
        title: Caption.
        headings: Headings of the columns.
        rows: Cells, one for each heading.
        ranks: Headings of the columns that may be dropped to save space, the first to go first.
        heat: Whether figures are shaded by size.
        notes: Sentences below the table.

    """
    body = list(rows)
    rank = {heading: place for place, heading in enumerate(reversed(ranks), start=1)}
    columns = []
    for index, heading in enumerate(headings):
        cells = tuple(row[index] for row in body)
        left = all(cell.value is None for cell in cells)
        columns.append(Column(heading, cells, rank.get(heading, 0), left=left))
    return Table(title, tuple(columns), name, heat, tuple(notes))


def exact(value: object, unit: Unit = "percent", mark: str = "") -> Cell:
    """Return a figure with its exact value; a dash if it is missing.

    Example:
        >>> exact(0.87834)
        Cell(text='87.83', value=0.87834, mark='', pictures=())

    """
    known = finite(value)
    if known is None:
        return NOTHING
    if unit == "seconds":
        return Cell(f"{known:.2f}", known, mark)
    text = FORMATS[unit](known)
    return Cell(text.rstrip("%"), known, mark)


def signed(value: object, *, colored: bool = True) -> Cell:
    """Return a difference of two fractions in points, marked as a gain or a loss if `colored`.

    Example:
        >>> signed(-0.0123)
        Cell(text='-1.23', value=-0.0123, mark='loss', pictures=())

    """
    known = finite(value)
    return NOTHING if known is None else Cell(points(known), known, sign(points(known)) if colored else "")


def sign(text: str) -> str:
    """Return the mark of a signed figure: ``gain``, ``loss`` or nothing."""
    return {"+": "gain", "-": "loss"}.get(text[:1], "") if text != DASH else ""


def words(value: object) -> Cell:
    """Return a text as a cell; a dash if it is missing or empty."""
    return NOTHING if value is None or value == "" else Cell(clean(value))
