"""The report as one HTML file that needs no other: styles, scripts and the plotting library are in it."""

from __future__ import annotations

import base64
import gzip
import html
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from clsim.report.html.content import Chart, Line, Table, Unit, figure
from clsim.report.html.run_view import RunView, heading
from clsim.report.html.sections import compared, headlines, sections
from clsim.report.html.tables import what_ran
from clsim.utils.files import atomic
from clsim.utils.text import clean

COLOURS = ("#2f7fc1", "#d2601a", "#1f9a6b", "#bf4f95", "#7d68c8", "#a87b00", "#1297a6", "#c0392b")
"""Of lines; each has a contrast of 3 to 1 at least with the page, by day and by night."""
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "star", "pentagon")
REFERENCE = "#808488"
DASHES = ("dash", "dot", "dashdot", "longdash")
HOVER = {"percent": "%{y:.2%}", "seconds": "%{y:.2f} s", "count": "%{y:,}", "bytes": "%{y:,} bytes", "number": "%{y}"}
HIGHEST = 1.04
"""Where the axis of shares ends at the latest: an interval of few seeds may go far beyond all of them."""
TICKS: dict[str, str] = {"percent": "~%", "bytes": ".3s"}


def page(runs: Sequence[RunView]) -> str:
    """The whole page; every text from a file is escaped where it is put in."""
    numbers = count(1)
    views = [
        {
            "run": run,
            "id": f"run-{number}",
            "headlines": headlines(run),
            "facts": what_ran(run),
            "sections": sections(run),
        }
        for number, run in enumerate(runs, start=1)
    ]
    template = _environment(numbers).get_template("page.html.j2")
    return template.render(views=views, compared=compared(runs), heading=heading(runs), library=library())


def write_page(runs: Sequence[RunView], path: Path) -> None:
    """Writes the page whole or not at all."""
    text = page(runs)
    with atomic(path, durable=False) as temporary:
        temporary.write_text(text, encoding="utf-8")


def plotted(chart: Chart) -> dict[str, Any]:
    """A chart as the plotting library takes it; the values are those of the run's files."""
    whole = all(float(x).is_integer() for line in chart.lines for x in line.x)
    bounded = chart.unit == "percent" and any(any(line.bounds) for line in chart.lines)
    negative = any(y is not None and y < 0 for line in chart.lines for y in line.y)
    mode = "tozero" if chart.bars else "nonnegative" if chart.unit == "percent" and not negative else "normal"
    return {
        "data": list(_traces(chart)),
        "layout": {
            "showlegend": chart.legend and len(chart.lines) > 1,
            "barmode": "group",
            "xaxis": {"title": {"text": chart.x}, "tickformat": "d" if whole else ".0%"},
            "yaxis": {
                "title": {"text": chart.y, "standoff": 8},
                "automargin": True,
                "tickformat": TICKS.get(chart.unit, ""),
                "rangemode": mode,
                **({"autorangeoptions": {"clipmax": HIGHEST}} if bounded else {}),
            },
        },
    }


def _traces(chart: Chart) -> Iterator[dict[str, Any]]:
    ours, references = count(), count()
    for line in chart.lines:
        number = next(references if line.reference else ours)
        colour = REFERENCE if line.reference else COLOURS[number % len(COLOURS)]
        name = html.escape(clean(line.name), quote=False)  # the library reads some markup
        trace: dict[str, Any] = {"name": name, "x": line.x, "y": line.y}
        told = "%{customdata}" if any(line.bounds) else ""
        trace["hovertemplate"] = (
            f"<b>%{{fullData.name}}</b><br>{chart.x} %{{x}}: {HOVER[chart.unit]}{told}<extra></extra>"
        )
        if chart.bars:
            yield trace | {"type": "bar", "marker": {"color": colour}}
            continue
        trace |= _bounds(line, chart.unit, colour)
        dash = DASHES[number % len(DASHES)] if line.reference else "solid"
        yield trace | {
            "type": "scatter",
            "mode": "lines+markers",
            "line": {"color": colour, "width": 2, "dash": dash},
            "marker": {"color": colour, "size": 7, "symbol": SYMBOLS[number % len(SYMBOLS)]},
        }


def _bounds(line: Line, unit: Unit, colour: str) -> dict[str, Any]:
    """Bars from bound to bound, which are also told with the point; nothing where there are none."""
    if not any(line.bounds):
        return {}
    known = [(y, *bound) if y is not None and bound else None for y, bound in zip(line.y, line.bounds, strict=True)]
    bars = {"array": [p and p[2] - p[0] for p in known], "arrayminus": [p and p[0] - p[1] for p in known]}
    look = {"type": "data", "symmetric": False, "color": colour, "thickness": 1.5, "width": 5}
    sign = "%" if unit == "percent" else ""
    told = [f", {figure(p[1], unit).text}{sign} to {figure(p[2], unit).text}{sign}" if p else "" for p in known]
    return {"error_y": {**look, **bars}, "customdata": told}


def shade(table: Table) -> tuple[float, float]:
    """The least figure of a heat map and the span above it."""
    values = [cell.value for row in table.rows for cell in row if cell.value is not None]
    return (min(values), max(values) - min(values)) if values else (0.0, 0.0)


@lru_cache(maxsize=1)
def library() -> Markup:
    """The plotting library, packed: a third of what it takes as it is."""
    script = (files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    return Markup(base64.b64encode(gzip.compress(script, mtime=0)).decode())  # noqa: S704  (base64 needs no escape)


def _environment(numbers: Iterator[int]) -> Environment:
    environment = Environment(
        loader=PackageLoader("clsim.report.html", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.globals |= {
        "number": lambda: next(numbers),
        "plotted": plotted,
        "shade": shade,
        "is_chart": lambda part: isinstance(part, Chart),
        "asset": _asset,
    }
    return environment


def _shown(value: Any) -> Any:
    """A text as it may be read: nothing in it turns the direction of writing or is no character at all."""
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _asset(name: str) -> Markup:
    """A file of ours beside this one."""
    return Markup(files("clsim.report.html").joinpath(name).read_text(encoding="utf-8"))  # noqa: S704  (our own)
