"""The table of sessions and the rows of the summary, as text: for the terminal and for plain lines alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from clsim.experiment.events import Record, Results, RunInfo
from clsim.report.figures import (
    DASH,
    count,
    difference,
    duration,
    finite,
    images_per_second,
    percent,
    points,
    published_at,
    total_seconds,
)
from clsim.results.figures import figure
from clsim.results.run_figures import figures_of


@dataclass(frozen=True)
class Column:
    """One column of a table of sessions.

    Attributes:
        header: its heading, on two lines.
        importance: 0 never goes; where the table is too wide the highest goes first.
        cell: (record, published accuracy of that session) -> text.
        tint: how it is coloured on a terminal; ``sign`` is green for a gain and red for a loss.
        needs: what there must be for it to be shown.

    """

    header: tuple[str, str]
    importance: int
    cell: Callable[[Record, float | None], str]
    tint: Literal["", "ours", "theirs", "sign"] = ""
    needs: Literal["", "published", "compatibility", "classes"] = ""

    def width(self, cells: Sequence[str]) -> int:
        """Characters it needs."""
        return max(map(len, (*self.header, *cells)))


def _of(key: str) -> Callable[[Record, float | None], str]:
    return lambda record, published: percent(record.get(key))


def _within(block: str, key: str) -> Callable[[Record, float | None], str]:
    return lambda record, published: percent((record.get(block) or {}).get(key))


def _compatibility(header: tuple[str, str], importance: int, key: str) -> Column:
    return Column(header, importance, _within("compatibility", key), needs="compatibility")


COLUMNS = (
    Column(("", "session"), 0, lambda record, published: str(record.get("session", DASH))),
    Column(("", "classes"), 0, lambda record, published: count(record.get("seen_classes")), needs="classes"),
    Column(("", "accuracy"), 0, _of("accuracy"), tint="ours"),
    Column(("", "published"), 1, lambda record, published: percent(published), tint="theirs", needs="published"),
    Column(
        ("differs", "(points)"),
        2,
        lambda record, published: points(difference(record.get("accuracy"), published)),
        tint="sign",
        needs="published",
    ),
    Column(("", "base"), 5, _of("base_accuracy"), needs="classes"),
    Column(("", "novel"), 6, _of("novel_accuracy"), needs="classes"),
    Column(("harmonic", "mean"), 9, _of("harmonic_mean"), needs="classes"),
    Column(("forgetting", "from best"), 10, _within("forgetting", "from_best"), needs="classes"),
    Column(("forgetting", "from first"), 12, _within("forgetting", "from_first"), needs="classes"),
    _compatibility(("", "self-test"), 8, "self_test"),
    _compatibility(("", "AC"), 3, "ac"),
    _compatibility(("", "AM"), 4, "am"),
    _compatibility(("negative", "flips"), 7, "negative_flip_rate"),
    _compatibility(("positive", "flips"), 13, "positive_flip_rate"),
    Column(("", "time"), 11, lambda record, published: duration(total_seconds(record))),
    Column(("", "images/s"), 14, lambda record, published: count(images_per_second(record))),
)
COMPATIBILITY = {"ac": "average compatibility (AC)", "am": "average multi-model accuracy (AM)"}
GAP = 2


@dataclass(frozen=True)
class Sessions:
    """A table of sessions as text: cells row by row, one for each column."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def widths(self) -> list[int]:
        """Characters of each column."""
        return [c.width([row[i] for row in self.rows]) for i, c in enumerate(self.columns)]

    @property
    def width(self) -> int:
        """Characters of the whole table, gaps included."""
        return sum(self.widths) + GAP * (len(self.columns) - 1)

    def fitted(self, width: int) -> Sessions:
        """The same without the least important columns, so that it takes at most `width` characters."""
        table = self
        while table.width > width and any(c.importance for c in table.columns):
            least = max(range(len(table.columns)), key=lambda i: table.columns[i].importance)
            table = Sessions(
                tuple(c for i, c in enumerate(table.columns) if i != least),
                tuple(tuple(x for i, x in enumerate(row) if i != least) for row in table.rows),
            )
        return table

    def latest(self, limit: int) -> Sessions:
        """The same with at most `limit` rows: the first, a row of dots, the latest."""
        if len(self.rows) <= limit:
            return self
        dots = tuple("⋮" for _ in self.columns)
        return Sessions(self.columns, (self.rows[0], dots, *self.rows[-(limit - 2) :]))


def sessions_table(records: Sequence[Record], published: Sequence[float] | None = None) -> Sessions:
    """Every figure of the sessions so far, without the columns that nothing is known for.

    Those are the published ones where there is no published row, the compatibility's where it is not measured, and
    those of classes where images come without.
    """
    measured = any(record.get("compatibility") for record in records)
    classes = not records or any(record.get("seen_classes", True) for record in records)
    known = {"": True, "published": bool(published), "compatibility": measured, "classes": classes}
    columns = tuple(c for c in COLUMNS if known[c.needs])
    rows = []
    for index, record in enumerate(records):
        theirs = published_at(published, record.get("session", index))
        rows.append(tuple(c.cell(record, theirs) for c in columns))
    return Sessions(columns, tuple(rows))


def summary_rows(results: Results, info: RunInfo) -> list[tuple[str, str, str, str]]:
    """Name, our figure, the published one and the difference in points of each figure of the summary.

    The published average, final accuracy and drop are those of the whole published row. A run that has not ended as
    many sessions has none of them beside it: nobody published the average of a part. AC and AM are rows only where they
    are known; the published ones are of a whole run, too. Further figures of versions are rows where a paper has them.
    """
    summary = results.get("summary") or {}
    records = results.get("sessions") or []
    row = [published_at(info.published, r.get("session", i)) for i, r in enumerate(records)]
    whole_row = len(records) == len(info.published or ()) and None not in row
    theirs = [v for v in row if v is not None] if whole_row else []
    published: dict[str, float | None] = (
        {
            "average_accuracy": fmean(theirs),
            "final_accuracy": theirs[-1],
            "performance_drop": theirs[0] - theirs[-1],
        }
        if theirs
        else {}
    )
    names = {
        "average_accuracy": "average accuracy, unweighted",
        "average_accuracy_weighted": "average accuracy, weighted",
        "final_accuracy": "final accuracy",
        "performance_drop": "performance drop",
        "average_forgetting": "average forgetting",
    }
    whole = (info.published_compatibility or {}) if len(records) >= info.sessions else {}
    for key, name in COMPATIBILITY.items():
        published[key] = whole.get(key)
        if finite(summary.get(key)) is not None or finite(published[key]) is not None:
            names[key] = name
    known = {**figures_of(results, info.upgrades_by), **summary}
    for key in (key for key in whole if key not in names and key in known):
        published[key], names[key] = whole[key], figure(key).label_of_run
    return [
        (
            name,
            percent(known.get(key)),
            percent(published.get(key)),
            points(difference(known.get(key), published.get(key))),
        )
        for key, name in names.items()
    ]
