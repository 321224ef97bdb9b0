"""The charts of a run: a line for every figure with one value per session, epoch or share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from clsim.report.html.content import Chart, Line, with_figures
from clsim.report.html.run_view import RunView
from clsim.results.figures import Unit, at, figures_from_outside
from clsim.utils.numbers import finite

Records = Sequence[dict[str, Any]]
QUERIES = "share of queries"


class SessionChart(NamedTuple):
    """A chart of figures by session.

    Attributes:
        name: Name of the files made of it.
        title: Heading.
        y: Label of the vertical axis.
        lines: Keys of a figure in a session's record, by the name of its line.
        unit: Unit of the values.
        bars: Whether to draw bars.

    """

    name: str
    title: str
    y: str
    lines: dict[str, tuple[str, ...]]
    unit: Unit = "percent"
    bars: bool = False

    def draw(self, records: Records) -> Chart:
        """Return the chart of a run's records."""
        lines = tuple(by_session(records, name, *keys) for name, keys in self.lines.items())
        return Chart(self.name, self.title, "session", self.y, lines, self.unit, self.bars)


# fmt: off
SELF_TEST = SessionChart("own_index", "Self-test of each version", QUERIES, {"self-test": ("accuracy",)})
BASE_AND_NOVEL = SessionChart("base_and_novel", "Base and novel classes", "accuracy",
                              {"base classes": ("base_accuracy",), "novel classes": ("novel_accuracy",),
                               "harmonic mean": ("harmonic_mean",)})
FORGETTING = SessionChart("forgetting", "Forgetting of earlier sessions", "points lost",
                          {"from the best earlier accuracy": ("forgetting", "from_best"),
                           "from the first accuracy": ("forgetting", "from_first")})
COMPATIBILITY = (
    SessionChart("am", "Average multi-model accuracy (AM)", QUERIES,
                 {"AM": ("compatibility", "am"), "self-test": ("compatibility", "self_test")}),
    SessionChart("ac", "Average compatibility (AC)", "share of pairs", {"AC": ("compatibility", "ac")}),
    SessionChart("flips", "Flips from one version to the next", QUERIES,
                 {"negative flips": ("compatibility", "negative_flip_rate"),
                  "positive flips": ("compatibility", "positive_flip_rate")}, bars=True),
)
SERVICE = SessionChart("service", "Search in a gallery of mixed versions", QUERIES,
                       {"as stored": ("service", "accuracy"), "all re-indexed": ("service", "full_backfill"),
                        "never updated": ("service", "no_update")})
COSTS = (
    SessionChart("seconds", "Time", "seconds", {"training": ("train_seconds",), "evaluation": ("eval_seconds",)},
                 "seconds", bars=True),
    SessionChart("memory", "Peak memory", "bytes", {"peak": ("peak_memory_bytes",)}, "bytes", bars=True),
)
# fmt: on


def by_session(records: Records, name: str, *keys: str) -> Line:
    """Return the line of a figure under nested keys of every record."""
    return Line(name, tuple(r["session"] for r in records), tuple(finite(at(*keys)(record)) for record in records))


def drawn(records: Records, *charts: SessionChart) -> tuple[Chart, ...]:
    """Return the charts that have figures."""
    return with_figures([chart.draw(records) for chart in charts])


def published_lines(rows: dict[str, list[float]]) -> tuple[Line, ...]:
    """Return published accuracies by session as reference lines."""
    return tuple(
        Line(f"{name}, published", tuple(range(len(row))), tuple(row), reference=True) for name, row in rows.items()
    )


def accuracy_charts(run: RunView) -> tuple[Chart, ...]:
    """Return accuracy by session beside published rows, and accuracy of base and novel classes."""
    if not run.names_classes:
        return drawn(run.sessions, SELF_TEST)
    lines = (by_session(run.sessions, run.results["strategy"], "accuracy"), *published_lines(run.published))
    notes = tuple(run.published_sources)
    ours = Chart("accuracy", "Accuracy over all classes seen", "session", "accuracy", lines, notes=notes)
    return with_figures([ours, BASE_AND_NOVEL.draw(run.sessions)])


def custom_charts(records: Records) -> tuple[Chart, ...]:
    """Return a chart for each custom metric, whose unit is unknown, and for each registered figure."""
    names = dict.fromkeys(name for record in records for name in record.get("metrics") or {})
    metrics = [
        SessionChart(f"metric_{number}", name, "value", {name: ("metrics", name)}, "number")
        for number, name in enumerate(names, start=1)
    ]
    sessions = tuple(record["session"] for record in records)
    registered = []
    for each in figures_from_outside():
        if each.session is not None:
            line = Line(each.label, sessions, tuple(map(each.of_session, records)))
            registered.append(Chart(each.key, each.label, "session", each.unit, (line,), each.unit))
    return (*drawn(records, *metrics), *with_figures(registered))


def training_charts(records: Records) -> tuple[Chart, ...]:
    """Return loss and accuracy of every epoch, sessions one after another."""
    starts, epochs = [], 1
    curves = [record.get("training") or {} for record in records]
    for curve in curves:
        starts.append(epochs)
        epochs += max((len(values) for values in curve.values()), default=0)

    def chart(name: str, title: str, key: str, unit: Unit) -> Chart:
        lines = tuple(
            Line(f"session {record['session']}", tuple(range(start, start + len(values))), tuple(values))
            for record, curve, start in zip(records, curves, starts, strict=True)
            if (values := curve.get(key))
        )
        return Chart(name, title, "epoch, counted over all sessions", key, lines, unit, legend=False)

    return with_figures(
        [
            chart("loss", "Training loss", "loss", "number"),
            chart("training_accuracy", "Training accuracy", "accuracy", "percent"),
        ]
    )


def service_charts(records: Records) -> tuple[Chart, ...]:
    """Return the accuracy of the search service, and its backfill curves after the last session."""
    services = [record["service"] for record in records[::-1] if record["service"]]
    last: dict[str, Any] = next((service["backfill"] for service in services if service.get("backfill")), {})
    shares = tuple(last.get("fractions", ()))
    orders = {"best first": "best_first", "random order": "random"}
    lines = tuple(Line(name, shares, tuple(last.get(key, ()))) for name, key in orders.items())
    backfill = Chart("backfill", "Backfill after the last session", "share re-indexed", QUERIES, lines)
    return with_figures([SERVICE.draw(records), backfill])
