"""The table of sessions and the rows of the summary."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from clsim.experiment.events import Record, Results, RunInfo
from clsim.report.figures import images_per_second, published_at, total_seconds
from clsim.report.table import Column, Table, column, signed
from clsim.results.figures import figure, figures, figures_from_outside
from clsim.results.run_figures import figures_of
from clsim.utils.numbers import DASH, count, difference, duration, finite, percent

OPTIONAL = "generalized_accuracy"
"""Figure of the summary that many streams do not have."""


def sessions_table(records: Sequence[Record], published: Sequence[float] | None = None) -> Table:
    """Return the figures of the sessions so far.

    There are no columns of published figures without a published row, of compatibility and calibration if they were not
    measured, and of classes if the stream has none.
    """
    measured = any(record.get("compatibility") for record in records)
    classes = not records or any(record.get("seen_classes", True) for record in records)
    columns = [column("session", (str(record.get("session", DASH)) for record in records))]
    if classes:
        columns.append(column("classes", (count(record.get("seen_classes")) for record in records)))
    groups = {
        "accuracy": classes,
        "calibration": any(record.get("calibration") for record in records),
        "compatibility": measured,
    }
    for each in figures():
        if each.importance is None or not (each.key == "accuracy" or groups.get(each.group, True)):
            continue
        texts = (each.text(each.of_session(record)) for record in records)
        style = "ours" if each.key == "accuracy" else ""
        columns.append(column(each.short or each.label, texts, rank=each.importance, style=style))
        if each.key == "accuracy" and published:
            columns += _published(records, published)
    columns.append(column("time", (duration(total_seconds(record)) for record in records), rank=11))
    columns.append(column("images/s", (count(images_per_second(record)) for record in records), rank=14))
    return Table("sessions", tuple(columns))


def _published(records: Sequence[Record], published: Sequence[float]) -> tuple[Column, Column]:
    theirs = [published_at(published, record.get("session", index)) for index, record in enumerate(records)]
    gaps = (signed(difference(r.get("accuracy"), value)) for r, value in zip(records, theirs, strict=True))
    shown = column("published", map(percent, theirs), rank=1, style="theirs")
    return shown, Column("differs\n(points)", tuple(gaps), rank=2)


def summary_table(results: Results, info: RunInfo) -> Table:
    """Return the figures of the summary beside the published ones.

    The published average, final accuracy and drop are those of the whole published row: a run of fewer sessions has
    none of them beside it. AC and AM have rows if they are known. Further figures of versions have rows if a paper
    has them.
    """
    summary = results.get("summary") or {}
    records = results.get("sessions") or []
    published: dict[str, float | None] = dict(_of_row(records, info.published))
    whole = (info.published_compatibility or {}) if len(records) >= info.sessions else {}
    published |= {key: whole.get(key) for key in ("ac", "am")}
    known = {**figures_of(results, info.upgrades_by), **summary}
    shown = [each for each in figures() if each.group == "accuracy" and each.run is not None]
    shown = [each for each in shown if each.key != OPTIONAL or finite(summary.get(OPTIONAL)) is not None]
    shown += [figure(key) for key in ("ac", "am") if finite(summary.get(key)) is not None or published[key] is not None]
    further = [key for key in whole if key not in published and key in known]
    shown += [figure(key) for key in further]
    shown += [each for each in figures_from_outside() if each.run is not None and each not in shown]
    published |= {key: whole[key] for key in further}
    # A larger drop is no gain and a smaller one no loss.
    gaps = (
        signed(difference(known.get(each.key), published.get(each.key)), colored=each.better == "higher")
        for each in shown
    )
    columns = (
        column("", (each.label_of_run for each in shown), left=True),
        column("this run", (each.text(known.get(each.key)) for each in shown), style="bold cyan"),
        column("published", (each.text(published.get(each.key)) for each in shown), rank=1, style="theirs"),
        Column("points", tuple(gaps), rank=1),
    )
    return Table("summary", columns)


def _of_row(records: Sequence[Record], published: Sequence[float] | None) -> dict[str, float]:
    """Return what follows from a published row of as many sessions as the run has."""
    row = [published_at(published, record.get("session", index)) for index, record in enumerate(records)]
    theirs = [value for value in row if value is not None]
    if not theirs or not len(theirs) == len(records) == len(published or ()):
        return {}
    return {
        "average_accuracy": fmean(theirs),
        "final_accuracy": theirs[-1],
        "performance_drop": theirs[0] - theirs[-1],
    }
