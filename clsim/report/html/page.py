"""The report of runs as one HTML file, and its charts in the plotting library's format."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from clsim.report.html.content import Chart, Line
from clsim.report.html.run_view import RunView, heading
from clsim.report.html.sections import headlines, sections, side_by_side
from clsim.report.html.tables import facts
from clsim.report.html.template import render
from clsim.report.table import exact
from clsim.results.figures import Unit
from clsim.utils.files import atomic
from clsim.utils.text import clean

COLORS = ("#2f7fc1", "#d2601a", "#1f9a6b", "#bf4f95", "#7d68c8", "#a87b00", "#1297a6", "#c0392b")
"""Colors of lines; each has a contrast of at least 3 to 1 with the page in light and dark mode."""
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "star", "pentagon")
REFERENCE = "#808488"
DASHES = ("dash", "dot", "dashdot", "longdash")
HOVER = {"percent": "%{y:.2%}", "seconds": "%{y:.2f} s", "count": "%{y:,}", "bytes": "%{y:,} bytes", "number": "%{y}"}
HIGHEST = 1.04
"""Upper end of the axis of shares: an interval over few seeds may exceed all of them by far."""
MOST_TICKS = 12
"""Sessions up to which each has a tick."""
TICKS: dict[str, str] = {"percent": "~%", "bytes": ".3s"}


def page(runs: Sequence[RunView]) -> str:
    """Return the whole page; every text from a file is escaped."""
    views = [
        {
            "run": run,
            "id": f"run-{number}",
            "headlines": headlines(run),
            "facts": facts(run),
            "sections": sections(run),
        }
        for number, run in enumerate(runs, start=1)
    ]
    return render("page.html.j2", {Chart: plotted}, views=views, compared=side_by_side(runs), heading=heading(runs))


def write_page(runs: Sequence[RunView], path: Path) -> None:
    """Write the page as a whole or not at all."""
    text = page(runs)
    with atomic(path, durable=False) as temporary:
        temporary.write_text(text, encoding="utf-8")


def plotted(chart: Chart) -> dict[str, Any]:
    """Return a chart in the plotting library's format, with the exact values of the run's files."""
    whole = all(float(x).is_integer() for line in chart.lines for x in line.x)
    bounded = chart.unit == "percent" and any(any(line.bounds) for line in chart.lines)
    negative = any(y is not None and y < 0 for line in chart.lines for y in line.y)
    x_axis: dict[str, Any] = {"title": {"text": chart.x}, "tickformat": "d" if whole else ".0%"}
    if whole and max(x for line in chart.lines for x in line.x) <= MOST_TICKS:
        x_axis["dtick"] = 1  # without it a chart of two sessions has ticks at fractions, written as 0, 0, 1, 1
    y_axis: dict[str, Any] = {
        "title": {"text": chart.y, "standoff": 8},
        "automargin": True,
        "tickformat": TICKS.get(chart.unit, ""),
        "rangemode": "tozero" if chart.bars else "normal" if negative or chart.unit != "percent" else "nonnegative",
    }
    if bounded:
        y_axis["autorangeoptions"] = {"clipmax": HIGHEST}
    layout = {
        "showlegend": chart.legend and len(chart.lines) > 1,
        "barmode": "group",
        "xaxis": x_axis,
        "yaxis": y_axis,
    }
    return {"data": list(_traces(chart)), "layout": layout}


def styled(lines: Sequence[Line]) -> Iterator[tuple[int, str, Line]]:
    """Yield every line with its number among ours or among the references, and its color."""
    ours, references = count(), count()
    for line in lines:
        number = next(references if line.reference else ours)
        yield number, REFERENCE if line.reference else COLORS[number % len(COLORS)], line


def _traces(chart: Chart) -> Iterator[dict[str, Any]]:
    for number, color, line in styled(chart.lines):
        bounds = "%{customdata}" if any(line.bounds) else ""
        value = f"{chart.x} %{{x}}: {HOVER[chart.unit]}{bounds}"
        trace: dict[str, Any] = {
            "name": html.escape(clean(line.name), quote=False),  # the library reads some markup
            "x": line.x,
            "y": line.y,
            "hovertemplate": f"<b>%{{fullData.name}}</b><br>{value}<extra></extra>",
        }
        if chart.bars:
            yield trace | {"type": "bar", "marker": {"color": color}}
            continue
        dash = DASHES[number % len(DASHES)] if line.reference else "solid"
        yield (
            trace
            | _bounds(line, chart.unit, color)
            | {
                "type": "scatter",
                "mode": "lines+markers",
                "line": {"color": color, "width": 2, "dash": dash},
                "marker": {"color": color, "size": 7, "symbol": SYMBOLS[number % len(SYMBOLS)]},
            }
        )


def _bounds(line: Line, unit: Unit, color: str) -> dict[str, Any]:
    """Return error bars and their text in the hover box; nothing without intervals."""
    if not any(line.bounds):
        return {}
    known = [(y, *bound) if y is not None and bound else None for y, bound in zip(line.y, line.bounds, strict=True)]
    bars = {"array": [p and p[2] - p[0] for p in known], "arrayminus": [p and p[0] - p[1] for p in known]}
    look = {"type": "data", "symmetric": False, "color": color, "thickness": 1.5, "width": 5}
    sign = "%" if unit == "percent" else ""
    texts = [f", {exact(p[1], unit).text}{sign} to {exact(p[2], unit).text}{sign}" if p else "" for p in known]
    return {"error_y": {**look, **bars}, "customdata": texts}
