"""The sections of a report, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from clsim.report.html import curves, tables
from clsim.report.html.content import Cell, Chart, Line, Section, Table, figure, known_columns, with_figures, words
from clsim.report.html.run_view import RunView
from clsim.report.html.strategies import over_seeds

HEADLINES = {
    "final_accuracy": "accuracy after the last session",
    "average_accuracy": "average accuracy",
    "average_forgetting": "forgetting",
    "performance_drop": "drop",
    "ac": "AC",
    "am": "AM",
}
"""Figures of a summary, the most asked for first."""


class Headline(NamedTuple):
    """A figure in large letters."""

    name: str
    cell: Cell


def headlines(run: RunView) -> list[Headline]:
    """What the summary knows."""
    summary = run.results["summary"]
    known = {key: figure(summary.get(key)) for key in HEADLINES}
    return [Headline(HEADLINES[key], cell) for key, cell in known.items() if cell.value is not None]


def sections(run: RunView) -> list[Section]:
    """All sections of one run; one that would have nothing to show is left out."""
    records = run.sessions
    matrix = run.results["accuracy_matrix"]
    accuracies = (tables.accuracy_matrix(matrix),) if matrix and run.names_classes else ()
    worst, told = tables.confusion(run), tables.diagnostics(run)
    found = [
        Section("Accuracy", curves.accuracy_charts(run)),
        Section("Accuracy by session of origin", accuracies),
        Section("Forgetting", curves.forgetting_charts(records)),
        Section("Compatibility of versions", compatibility(run)),
        Section("Search service", curves.service_charts(records)),
        Section("Metrics of one's own", curves.own_charts(records)),
        Section("Training", curves.training_charts(records)),
        Section("Classes that are confused", () if worst is None else (worst,)),
        Section("Time and memory", curves.cost_charts(records)),
        Section("Sessions", (tables.records(run),) if records else (), () if records else ("No session ended.",)),
        Section("Diagnostics", () if told is None else (told,)),
        Section("Manifest", (tables.manifest(run),)),
    ]
    return [section for section in found if section.parts or section.notes]


def compatibility(run: RunView) -> tuple[Chart | Table, ...]:
    """Matrices before the charts that follow from them."""
    return (*tables.compatibility_matrices(run), *curves.compatibility_charts(run.sessions))


def compared(runs: Sequence[RunView]) -> list[Section]:
    """Several runs side by side; nothing for one alone."""
    if len(runs) < 2:
        return []
    lines = [curves.by_session(run.sessions, run.label, "accuracy") for run in runs]
    published = {name: row for run in runs for name, row in run.published.items()}
    rows = [Line(f"{name}, published", tuple(range(len(row))), tuple(row), True) for name, row in published.items()]
    sources = tuple(dict.fromkeys(source for run in runs for source in run.published_sources))
    ours = Chart("accuracy", "Accuracy after each session", curves.SESSION, "accuracy", (*lines, *rows), notes=sources)
    charts = with_figures([ours, *(_compared(runs, *asked) for asked in _MORE)])
    return [over_seeds(runs), Section("The runs", (summaries(runs),)), Section("Side by side", charts)]


_MORE = (
    ("forgetting", "Forgetting, from the best earlier accuracy", "points lost", ("forgetting", "from_best")),
    ("am", "Mean over all pairs of versions (AM)", "share of queries", ("compatibility", "am")),
    ("ac", "Share of compatible pairs (AC)", "share of pairs", ("compatibility", "ac")),
    ("service", "Search in a gallery of mixed versions", "share of queries", ("service", "accuracy")),
)


def _compared(runs: Sequence[RunView], name: str, title: str, measured: str, keys: tuple[str, ...]) -> Chart:
    lines = tuple(curves.by_session(run.sessions, run.label, *keys) for run in runs)
    return Chart(name, title, curves.SESSION, measured, lines)


def summaries(runs: Sequence[RunView]) -> Table:
    """A row for each run."""
    rows = []
    for run in runs:
        seconds = sum(r.get("train_seconds", 0) + r.get("eval_seconds", 0) for r in run.sessions)
        summary = run.results["summary"]
        facts = (words(run.label), words("stand-in" if run.stand_in else None), words(run.results["status"]))
        figures = (figure(summary.get(key)) for key in HEADLINES)
        rows.append((*facts, *figures, figure(seconds, "seconds")))
    headings = ("run", "", "status", *HEADLINES.values(), "seconds")
    return known_columns(Table("runs", "Summaries", headings, tuple(rows)))
