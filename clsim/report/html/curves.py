"""The charts of a run: a line for every figure that has one value a session, an epoch or a share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clsim.report.html.content import Chart, Line, looked_up, with_figures
from clsim.report.html.run_view import RunView

Records = Sequence[dict[str, Any]]
SESSION = "session"


def by_session(records: Records, name: str, *keys: str) -> Line:
    """A figure of every record, found under nested keys."""
    return Line(
        name, tuple(record["session"] for record in records), tuple(looked_up(record, keys) for record in records)
    )


def accuracy_charts(run: RunView) -> tuple[Chart, ...]:
    """Accuracy after every session, with published rows beside it, and that of base and novel classes."""
    records = run.sessions
    if not run.names_classes:
        return with_figures([Chart("own_index", "Found in its own index", SESSION, "share of queries",
                                   (by_session(records, "self-test", "accuracy"),))])  # fmt: skip
    references = [
        Line(f"{name}, published", tuple(range(len(row))), tuple(row), reference=True)
        for name, row in run.published.items()
    ]
    parts = (
        by_session(records, "base classes", "base_accuracy"),
        by_session(records, "novel classes", "novel_accuracy"),
        by_session(records, "harmonic mean", "harmonic_mean"),
    )
    ours = by_session(records, run.results["strategy"], "accuracy")
    title = "Accuracy over all classes seen"
    return with_figures(
        [
            Chart("accuracy", title, SESSION, "accuracy", (ours, *references), notes=tuple(run.published_sources)),
            Chart("base_and_novel", "Base and novel classes", SESSION, "accuracy", parts),
        ]
    )


def own_charts(records: Records) -> tuple[Chart, ...]:
    """Metrics of one's own, a chart each: what they measure, and in what, nobody but their author knows."""
    names = list(dict.fromkeys(name for record in records for name in record.get("metrics") or {}))
    return with_figures(
        [
            Chart(f"metric_{number}", name, SESSION, "value", (by_session(records, name, "metrics", name),), "number")
            for number, name in enumerate(names, start=1)
        ]
    )


def training_charts(records: Records) -> tuple[Chart, ...]:
    """Loss and accuracy of every epoch, sessions one after another."""
    starts, epochs = [], 1
    curves = [record.get("training") or {} for record in records]
    for curve in curves:
        starts.append(epochs)
        epochs += max((len(values) for values in curve.values()), default=0)

    def lines(key: str) -> tuple[Line, ...]:
        return tuple(
            Line(f"session {record['session']}", tuple(range(start, start + len(values))), tuple(values))
            for record, curve, start in zip(records, curves, starts, strict=True)
            if (values := curve.get(key))
        )

    asked = "epoch, counted over all sessions"
    return with_figures(
        [
            Chart("loss", "Training loss", asked, "loss", lines("loss"), "number", legend=False),
            Chart("training_accuracy", "Accuracy in training", asked, "accuracy", lines("accuracy"), legend=False),
        ]
    )


def forgetting_charts(records: Records) -> tuple[Chart, ...]:
    """Both definitions of forgetting."""
    lines = (
        by_session(records, "from the best earlier accuracy", "forgetting", "from_best"),
        by_session(records, "from the first accuracy", "forgetting", "from_first"),
    )
    return with_figures([Chart("forgetting", "Forgetting of earlier sessions", SESSION, "points lost", lines)])


def compatibility_charts(records: Records) -> tuple[Chart, ...]:
    """AC and AM, and the flips from one version to the next."""
    key = "compatibility"
    quality = (by_session(records, "AM", key, "am"), by_session(records, "self-test", key, "self_test"))
    flips = (
        by_session(records, "negative flips", key, "negative_flip_rate"),
        by_session(records, "positive flips", key, "positive_flip_rate"),
    )
    ac = (by_session(records, "AC", key, "ac"),)
    return with_figures(
        [
            Chart("am", "Mean over all pairs of versions (AM)", SESSION, "share of queries", quality),
            Chart("ac", "Share of compatible pairs (AC)", SESSION, "share of pairs", ac),
            Chart("flips", "Answers that flip with the new version", SESSION, "share of queries", flips, bars=True),
        ]
    )


def service_charts(records: Records) -> tuple[Chart, ...]:
    """The gallery that fills up, and what re-indexing it would bring after the last session."""
    lines = (
        by_session(records, "as it is stored", "service", "accuracy"),
        by_session(records, "all re-indexed", "service", "full_backfill"),
        by_session(records, "never updated", "service", "no_update"),
    )
    last: dict[str, Any] = next((s["backfill"] for r in records[::-1] if (s := r["service"]) and s.get("backfill")), {})
    shares = tuple(last.get("fractions", ()))
    backfill = (
        Line("best first", shares, tuple(last.get("best_first", ()))),
        Line("random order", shares, tuple(last.get("random", ()))),
    )
    return with_figures(
        [
            Chart("service", "Search in a gallery of mixed versions", SESSION, "share of queries", lines),
            Chart("backfill", "While the gallery is re-indexed, after the last session", "share re-indexed",
                  "share of queries", backfill),
        ]
    )  # fmt: skip


def cost_charts(records: Records) -> tuple[Chart, ...]:
    """Seconds and memory."""
    seconds = (by_session(records, "training", "train_seconds"), by_session(records, "evaluation", "eval_seconds"))
    memory = (by_session(records, "peak", "peak_memory_bytes"),)
    return with_figures(
        [
            Chart("seconds", "Time", SESSION, "seconds", seconds, "seconds", bars=True),
            Chart("memory", "Peak memory", SESSION, "bytes", memory, "bytes", bars=True),
        ]
    )
