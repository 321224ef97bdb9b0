"""Charts of quality against a cost, with intervals and the Pareto front."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from clsim.auditing import Arrangement, Audit
from clsim.auditing.summary import label
from clsim.metrics.functional.bootstrap import Estimate
from clsim.report.audit.cells import COSTS, Priced, interval
from clsim.report.audit.front import pareto_front
from clsim.report.html.page import COLORS, REFERENCE, SYMBOLS
from clsim.report.table import Table, exact, of_rows, words
from clsim.utils.numbers import finite
from clsim.utils.text import clean

PRICES = ("embed_money", "embed_seconds", "embedded_items")
"""Costs of embedding, the most telling first; the first that is known is drawn."""
SERVING = "query_ms_p50"
PRESENT = "do_nothing"
MARGIN = 0.08
"""Room at the ends of an axis, as a share of its extent."""
LEAST_SPAN = 0.02
"""Least extent of the vertical axis."""
TITLES = {
    "embed_money": "Quality against the price of embedding",
    "embed_seconds": "Quality against the time of embedding",
    "embedded_items": "Quality against the items to embed",
    SERVING: "Quality against the time of a query",
}
AXES = {
    "embed_money": "price before it serves",
    "embed_seconds": "seconds before it serves",
    "embedded_items": "items before it serves",
    SERVING: "ms per query, median",
}


@dataclass(frozen=True)
class Point:
    """An arrangement in a chart of quality against cost.

    Attributes:
        arrangement: Arrangement.
        cost: Cost on the horizontal axis.
        quality: Quality with its interval.
        best: Whether its bridge is the best one of several for the same arrangement.
        front: Whether it is on the Pareto front.

    """

    arrangement: Arrangement
    cost: float
    quality: Estimate
    best: bool
    front: bool

    @property
    def name(self) -> str:
        """Arrangement and bridge."""
        bridge = self.arrangement.bridge
        return label(self.arrangement.name) + (f", {bridge}" if bridge else "")


@dataclass(frozen=True)
class TradeOff:
    """Quality of all arrangements against one cost.

    Attributes:
        name: Name of the files made of it.
        title: Heading.
        price: Cost on the horizontal axis.
        y: Name of the quality.
        points: Points in the order of the record.
        notes: Sentences below the chart.

    """

    name: str
    title: str
    price: Priced
    y: str
    points: tuple[Point, ...]
    notes: tuple[str, ...] = ()
    tall: ClassVar[bool] = True

    @property
    def x(self) -> str:
        """Label of the horizontal axis."""
        return AXES[self.price.key]

    @property
    def front(self) -> list[Point]:
        """Points of the Pareto front from the cheapest, one of those with equal cost and quality."""
        found = {(point.cost, point.quality.value): point for point in self.points if point.front}
        return [found[place] for place in sorted(found)]

    @property
    def x_range(self) -> tuple[float, float]:
        """Ends of the horizontal axis, with room for the symbols."""
        costs = [point.cost for point in self.points]
        low, high = min(costs), max(costs)
        room = MARGIN * (high - low) or MARGIN * high or 1.0
        return low - room, high + room

    @property
    def y_range(self) -> tuple[float, float]:
        """Ends of the vertical axis; arrangements far worse than doing nothing would flatten all others."""
        present = [point.quality.value for point in self.points if point.arrangement.name == PRESENT]
        low = min(point.quality.low for point in self.points if point.quality.value >= min(present, default=0.0))
        high = max(point.quality.high for point in self.points)
        room = MARGIN * max(high - low, LEAST_SPAN)
        return max(0.0, low - room), high + room

    @property
    def hidden(self) -> list[Point]:
        """Points below the axis."""
        return [point for point in self.points if point.quality.value < self.y_range[0]]

    @property
    def table(self) -> Table:
        """The same figures as a table."""
        rows = [
            (
                words(label(point.arrangement.name)),
                words(point.arrangement.bridge),
                self.price.cell(point.arrangement.cost),
                exact(point.quality.value),
                interval(point.quality),
                words("yes" if point.front else None),
            )
            for point in self.points
        ]
        headings = ("arrangement", "bridge", self.price.heading, self.y, "interval", "on the front")
        return of_rows(self.name, self.title, headings, rows)


def tradeoffs(audit: Audit) -> list[TradeOff]:
    """Return quality against the cost of embedding, and against the time of a query; each if it is known."""
    embedding = next((key for key in PRICES if any(_cost(each, key) for each in audit.arrangements)), PRICES[-1])
    found = [_tradeoff(audit, key) for key in (embedding, SERVING)]
    return [each for each in found if len(each.points) > 1]


def _tradeoff(audit: Audit, key: str) -> TradeOff:
    known = [each for each in audit.arrangements if _cost(each, key) is not None]
    costs = [float(_cost(each, key) or 0) for each in known]
    qualities = [each.figures[audit.primary] for each in known]
    front = pareto_front(costs, [quality.value for quality in qualities])
    names = [each.name for each in known]
    best = [names.index(name) == place for place, name in enumerate(names)]
    points = map(Point, known, costs, qualities, best, front)
    price = next(cost for cost in COSTS if cost.key == key)
    chart = TradeOff(f"quality_by_{key}", TITLES[key], price, audit.primary, tuple(points))
    return replace(chart, notes=tuple(_notes(audit, chart)))


def _cost(each: Arrangement, key: str) -> float | None:
    return finite(getattr(each.cost, key))


def _notes(audit: Audit, chart: TradeOff) -> Iterator[str]:
    yield "The line is the Pareto front: no arrangement is both cheaper and better than one on it."
    if chart.hidden:
        named = dict.fromkeys(f"{point.name} ({exact(point.quality.value).text}%)" for point in chart.hidden)
        yield f"Below the axis: {', '.join(named)}."
    if chart.price.key == SERVING:
        yield "Times are those of an exact search, scaled to all items; an approximate index changes them."
        return
    for each in audit.arrangements:
        if each.cost.embeddings_per_query > 2:
            passes = f"{each.cost.embeddings_per_query:,}"
            yield f"Not in this cost: {label(each.name)} needs {passes} passes of a model for each query."


def plotted_tradeoff(chart: TradeOff) -> dict[str, Any]:
    """Return a chart in the plotting library's format."""
    ticks = "~g" if chart.price.key == SERVING else "~s"
    layout = {
        "showlegend": True,
        "legend": {"orientation": "h", "x": 0, "y": 0, "yanchor": "bottom", "yref": "container"},
        "xaxis": {
            "title": {"text": chart.x, "standoff": 10},
            "automargin": True,
            "tickformat": ticks,
            "range": chart.x_range,
        },
        "yaxis": {
            "title": {"text": chart.y, "standoff": 8},
            "automargin": True,
            "tickformat": "~%",
            "range": chart.y_range,
        },
    }
    return {"data": [*_markers(chart), _line(chart)], "layout": layout}


def _markers(chart: TradeOff) -> Iterator[dict[str, Any]]:
    """Yield a trace of all bridges that are not the best, then one for each arrangement."""
    others = [point for point in chart.points if not point.best]
    if others:
        # Drawn first, so that no named point is behind them, and last in the legend.
        look = {"size": 6, "symbol": "circle"}
        yield _trace(chart, "other bridges", others, REFERENCE, look) | {"legendrank": 2000}
    for number, point in enumerate(point for point in chart.points if point.best):
        symbol = SYMBOLS[number % len(SYMBOLS)] + ("-open" if number >= len(SYMBOLS) else "")
        marker = {"size": 11, "symbol": symbol, "line": {"width": 2 if symbol.endswith("open") else 0}}
        yield _trace(chart, point.name, [point], COLORS[number % len(COLORS)], marker)


def _trace(chart: TradeOff, name: str, points: Sequence[Point], color: str, marker: dict[str, Any]) -> dict[str, Any]:
    above = [point.quality.high - point.quality.value for point in points]
    below = [point.quality.value - point.quality.low for point in points]
    look = {"type": "data", "symmetric": False, "color": color, "thickness": 1.5, "width": 4}
    costs = [chart.price.cell(point.arrangement.cost).text for point in points]
    texts = [f"{point.name}, {chart.price.title} {cost}" for point, cost in zip(points, costs, strict=True)]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": _escaped(name),
        "x": [point.cost for point in points],
        "y": [point.quality.value for point in points],
        "text": list(map(_escaped, texts)),
        "customdata": [f", {interval(point.quality).text.replace(' ', '% ', 1)}%" for point in points],
        "hovertemplate": f"<b>%{{text}}</b><br>{chart.y} %{{y:.2%}}%{{customdata}}<extra></extra>",
        "marker": {"color": color, **marker},
        "error_y": {**look, "array": above, "arrayminus": below},
    }


def _line(chart: TradeOff) -> dict[str, Any]:
    """Return the front as steps: up to the next point, no greater cost gives a better quality."""
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "Pareto front",
        "x": [point.cost for point in chart.front],
        "y": [point.quality.value for point in chart.front],
        "line": {"color": REFERENCE, "width": 1.5, "dash": "dot", "shape": "hv"},
        "hoverinfo": "skip",
    }


def _escaped(text: str) -> str:
    return html.escape(clean(text), quote=False)  # the library reads some markup
