"""Contents of a report: sections of charts and tables with exact values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from clsim.report.table import Cell, Table, exact, of_rows
from clsim.results.figures import Unit
from clsim.utils.numbers import finite


class Line(NamedTuple):
    """One line of a chart.

    Attributes:
        name: Name in the legend.
        x: Positions.
        y: Exact values; None leaves a gap.
        reference: Whether the values are published, not measured here.
        bounds: Ends of an interval around each value; empty without intervals.

    """

    name: str
    x: tuple[float, ...]
    y: tuple[float | None, ...]
    reference: bool = False
    bounds: tuple[tuple[float, float] | None, ...] = ()

    @property
    def columns(self) -> dict[str, dict[float, float | None]]:
        """Values by position under the headings of a table: the line, and its bounds if it has any."""
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
        name: Name of the files made of it.
        title: Heading.
        x: Label of the horizontal axis.
        y: Label of the vertical axis.
        lines: At least one line.
        unit: Unit of the values.
        bars: Whether to draw bars.
        legend: Whether to show the names of the lines.
        notes: Sentences below the chart.

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
        """The same figures as a table."""
        places = sorted({x for line in self.lines for x in line.x})
        columns = [column for line in self.lines for column in line.columns.items()]  # two lines may share a name
        rows = [
            (Cell(f"{place:g}", place), *(exact(values.get(place), self.unit) for _, values in columns))
            for place in places
        ]
        headings = (self.x, *(heading for heading, _ in columns))
        return of_rows(self.name, self.title, headings, rows, notes=self.notes)


@dataclass(frozen=True)
class Section:
    """A part of the report with a heading."""

    title: str
    parts: tuple[Chart | Table, ...]
    notes: tuple[str, ...] = ()


def with_figures(charts: Sequence[Chart]) -> tuple[Chart, ...]:
    """Return the charts that have a figure of ours, without lines that have none."""
    found = []
    for chart in charts:
        lines = tuple(line for line in chart.lines if any(finite(value) is not None for value in line.y))
        if any(not line.reference for line in lines):
            found.append(replace(chart, lines=lines))
    return tuple(found)
