"""What a report shows, whatever it is shown on: sections of charts and tables with exact values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from clsim.report.figures import DASH, count, finite, percent
from clsim.utils.text import clean

Unit = Literal["percent", "number", "seconds", "count", "bytes"]


class Cell(NamedTuple):
    """One cell of a table.

    Attributes:
        text: as people read it.
        value: exactly, as the files of the run have it; ``None`` where it is no figure.
        mark: ``low`` for one that is below what it must exceed, ``own`` for a version among its own.
        picture: data URIs of images that stand in its place.

    """

    text: str
    value: float | None = None
    mark: str = ""
    picture: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: of files that are made of it.
        title: its caption.
        headings: of the columns.
        rows: as many cells each as there are headings.
        heat: whether the figures are shaded by their size.
        notes: what has to be known to read it.

    """

    name: str
    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    heat: bool = False
    notes: tuple[str, ...] = ()

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold figures."""
        return tuple(any(row[i].value is not None for row in self.rows) for i in range(len(self.headings)))


class Line(NamedTuple):
    """One line of a chart; ``None`` is a gap in it.

    Attributes:
        name: in the legend.
        x: positions.
        y: exact values.
        reference: whether it is published, not measured here.
        bounds: least and greatest value of an interval around each `y`; empty where there are none.

    """

    name: str
    x: tuple[float, ...]
    y: tuple[float | None, ...]
    reference: bool = False
    bounds: tuple[tuple[float, float] | None, ...] = ()

    @property
    def columns(self) -> dict[str, dict[float, float | None]]:
        """Values by position under the headings of a table: those of the line, and its bounds where it has any."""
        found = {self.name: dict(zip(self.x, self.y, strict=True))}
        if any(self.bounds):
            for side, heading in enumerate(("from", "to")):
                values = (bound and bound[side] for bound in self.bounds)
                found[f"{self.name}, {heading}"] = dict(zip(self.x, values, strict=True))
        return found


@dataclass(frozen=True)
class Chart:
    """Lines or bars over a common axis.

    Attributes:
        name: of files that are made of it.
        title: its heading.
        x: what the horizontal axis counts.
        y: what the vertical axis measures.
        lines: at least one.
        unit: of the values.
        bars: whether they are bars.
        legend: whether the lines are told apart.
        notes: what has to be known to read it.

    """

    name: str
    title: str
    x: str
    y: str
    lines: tuple[Line, ...]
    unit: Unit = "percent"
    bars: bool = False
    legend: bool = True
    notes: tuple[str, ...] = ()

    @property
    def table(self) -> Table:
        """The same figures in columns."""
        places = sorted({x for line in self.lines for x in line.x})
        columns = [column for line in self.lines for column in line.columns.items()]  # two lines may have one name
        rows = [
            (Cell(f"{place:g}", place), *(figure(values.get(place), self.unit) for _, values in columns))
            for place in places
        ]
        return Table(self.name, self.title, (self.x, *(heading for heading, _ in columns)), tuple(rows))


@dataclass(frozen=True)
class Section:
    """A part of the report with a heading."""

    title: str
    parts: tuple[Chart | Table, ...]
    notes: tuple[str, ...] = ()

    @property
    def charts(self) -> list[Chart]:
        """Those of its parts that are drawn."""
        return [part for part in self.parts if isinstance(part, Chart)]


def figure(value: object, unit: Unit = "percent", mark: str = "") -> Cell:
    """A figure with its exact value; a dash where there is none.

    Example:
        >>> figure(0.87834)
        Cell(text='87.83', value=0.87834, mark='', picture=())

    """
    known = finite(value)
    if known is None:
        return Cell(DASH)
    text = {
        "percent": percent(known).rstrip("%"),
        "seconds": f"{known:.2f}",
        "count": count(known),
        "bytes": f"{known / (1 << 20):,.1f} MiB",
        "number": f"{known:.4g}",
    }[unit]
    return Cell(text, known, mark)


def words(value: object) -> Cell:
    """A text from a file; a dash where there is none."""
    return Cell(DASH if value is None or value == "" else clean(value))


def looked_up(record: Mapping[str, Any], keys: Sequence[str]) -> Any:
    """What stands in a record under nested keys; ``None`` where a block is not there."""
    value: Any = record
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def known_columns(table: Table) -> Table:
    """The table without columns that say nothing in any row."""
    kept = [i for i in range(len(table.headings)) if not table.rows or any(row[i].text != DASH for row in table.rows)]
    rows = tuple(tuple(row[i] for i in kept) for row in table.rows)
    return replace(table, headings=tuple(table.headings[i] for i in kept), rows=rows)


def with_figures(charts: Sequence[Chart]) -> tuple[Chart, ...]:
    """The charts that have something to show, without lines that have nothing."""
    found = []
    for chart in charts:
        lines = tuple(line for line in chart.lines if any(finite(value) is not None for value in line.y))
        if any(not line.reference for line in lines):
            found.append(replace(chart, lines=lines))
    return tuple(found)
