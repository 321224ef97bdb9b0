"""The sections of a report in reading order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from clsim.report.draws import draws_table
from clsim.report.html import charts, tables
from clsim.report.html.content import Chart, Line, Section, with_figures
from clsim.report.html.run_view import RunView
from clsim.report.html.strategies import over_seeds
from clsim.report.table import Cell, Table, exact, of_rows, words
from clsim.results.figures import figure

HEADLINES = ("final_accuracy", "average_accuracy", "average_forgetting", "performance_drop", "ac", "am")
"""Figures of a summary, the most important first."""
SIDE_BY_SIDE = (
    ("forgetting", "Forgetting, from the best earlier accuracy", "points lost", ("forgetting", "from_best")),
    ("am", "Average multi-model accuracy (AM)", charts.QUERIES, ("compatibility", "am")),
    ("ac", "Average compatibility (AC)", "share of pairs", ("compatibility", "ac")),
    ("service", "Search in a gallery of mixed versions", charts.QUERIES, ("service", "accuracy")),
)


def headlines(run: RunView) -> dict[str, Cell]:
    """Return the known figures of the summary by name."""
    summary = run.results["summary"]
    known = {figure(key).label: exact(summary.get(key)) for key in HEADLINES}
    return {name: cell for name, cell in known.items() if cell.value is not None}


def sections(run: RunView) -> list[Section]:
    """Return the sections of one run that have something to show."""
    records = run.sessions
    matrix = run.results["accuracy_matrix"]
    accuracies = tables.accuracy_matrix(matrix) if matrix and run.names_classes else None
    compatibility: tuple[Chart | Table, ...] = (
        *tables.compatibility_matrices(run),
        *charts.drawn(records, *charts.COMPATIBILITY),
    )
    draws = draws_table(run.results)
    found = [
        Section("Accuracy", charts.accuracy_charts(run)),
        Section("Accuracy by session of origin", _known(accuracies)),
        Section("Draws of the shots", _known(draws if draws.rows else None)),
        Section("Forgetting", charts.drawn(records, charts.FORGETTING)),
        Section("Compatibility of versions", compatibility),
        Section("Search service", charts.service_charts(records)),
        Section("Custom metrics", charts.custom_charts(records)),
        Section("Training", charts.training_charts(records)),
        Section("Most confused classes", _known(tables.confusion(run))),
        Section("Time and memory", charts.drawn(records, *charts.COSTS)),
        Section("Sessions", (tables.records(run),) if records else (), () if records else ("No session ended.",)),
        Section("Diagnostics", _known(tables.diagnostics(run))),
        Section("Manifest", (tables.manifest(run),)),
    ]
    return [section for section in found if section.parts or section.notes]


def _known(table: Table | None) -> tuple[Table, ...]:
    return () if table is None else (table,)


def side_by_side(runs: Sequence[RunView]) -> list[Section]:
    """Return the sections that compare several runs; none for a single one."""
    if len(runs) < 2:
        return []
    published = charts.published_lines({name: row for run in runs for name, row in run.published.items()})
    sources = tuple(dict.fromkeys(source for run in runs for source in run.published_sources))
    lines = (*_lines(runs, ("accuracy",)), *published)
    accuracy = Chart("accuracy", "Accuracy after each session", "session", "accuracy", lines, notes=sources)
    others = (Chart(name, title, "session", y, _lines(runs, keys)) for name, title, y, keys in SIDE_BY_SIDE)
    drawn = with_figures([accuracy, *others])
    return [over_seeds(runs), Section("Runs", (summaries(runs),)), Section("Side by side", drawn)]


def _lines(runs: Sequence[RunView], keys: tuple[str, ...]) -> tuple[Line, ...]:
    return tuple(charts.by_session(run.sessions, run.label, *keys) for run in runs)


def summaries(runs: Sequence[RunView]) -> Table:
    """Return a row for each run."""
    rows = []
    for run in runs:
        seconds = sum(r.get("train_seconds", 0) + r.get("eval_seconds", 0) for r in run.sessions)
        facts = (words(run.label), words("stand-in" if run.stand_in else None), words(run.results["status"]))
        figures = (exact(run.results["summary"].get(key)) for key in HEADLINES)
        rows.append((*facts, *figures, exact(seconds, "seconds")))
    names = ((figure(key).short or figure(key).label).replace("\n", " ") for key in HEADLINES)
    headings = ("run", "", "status", *names, "seconds")
    return of_rows("runs", "Summaries", headings, rows).known()


def named_parts(runs: Sequence[RunView]) -> Iterator[tuple[str, Chart | Table]]:
    """Yield every chart and table of the report with a name for its file, no two alike."""
    groups: list[tuple[str, list[Section]]] = [("", sections(runs[0]))]
    if len(runs) > 1:
        groups = [("", side_by_side(runs)), *((run.label, sections(run)) for run in runs)]
    taken: set[str] = set()
    for prefix, found in groups:
        for part in (part for section in found for part in section.parts):
            name = unique = file_name(f"{prefix}-{part.name}" if prefix else part.name)
            number = 1
            while unique.lower() in taken:  # labels may differ only in characters that file names lack
                number += 1
                unique = f"{name}-{number}"
            taken.add(unique.lower())
            yield unique, part


def file_name(text: str) -> str:
    """Return a text as part of a file name.

    Example:
        >>> file_name("recall@1/image_to_text · seed 1")
        'recall-1-image_to_text-seed-1'

    """
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-")[:120] or "table"
