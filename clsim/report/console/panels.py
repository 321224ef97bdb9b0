"""What the terminal shows when a run begins and of what a session learned, as rich renderables.

Every string of a scenario or a data set enters as `Text`, never as markup: a class may be called ``[red]``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from clsim.experiment.events import Record, Results, RunInfo
from clsim.report.compatibility import diagnostic_sentences, metric_sentences, replacement_sentences
from clsim.report.console.curve import GUTTER, Curve, draw
from clsim.report.console.parts import (
    BETWEEN,
    FRAME,
    OURS,
    SLIM,
    THEIRS,
    framed,
    run_title,
    side_by_side,
    table_of_sessions,
)
from clsim.report.figures import (
    class_ids,
    count,
    finite,
    packed,
    published_at,
    several,
    stand_in_sentences,
    validation_sentence,
)
from clsim.report.origins import origins_block
from clsim.report.table import sessions_table
from clsim.utils.text import clean

BESIDE, WIDEST = 36, 64
"""The least width of the pictures beside the whole table, and the greatest of a curve."""


def stand_in_notice(scenario: str, missing: Mapping[str, Any] | None) -> RenderableType:
    """The words that must be the first and the last on the console when a stand-in runs."""
    grid = Table.grid(padding=(0, 1))
    for index, sentence in enumerate(stand_in_sentences(scenario, missing)):
        tag = Text(" STAND-IN ", "bold black on yellow", no_wrap=True)
        grid.add_row(tag, Text(sentence, "bold red" if index == 1 else "bold yellow", overflow="fold"))
    return grid


def validation_notice(validation: Mapping[str, Any] | None) -> RenderableType:
    """The same when a run is measured on held-out training images."""
    grid = Table.grid(padding=(0, 1))
    tag = Text(" VALIDATION ", "bold black on yellow", no_wrap=True)
    grid.add_row(tag, Text(validation_sentence(validation), "bold yellow", overflow="fold"))
    return grid


def run_header(info: RunInfo) -> RenderableType:
    """What runs, on what, where its files go."""
    where = f"{clean(info.dataset)} on {clean(info.device)}, {several(info.sessions, 'session')}"
    return Group(
        Text.assemble("clsim ", run_title(info)),
        Text(where, "dim"),
        Text(f"files in {clean(info.out)}", "dim", overflow="fold"),
    )


def session_panel(
    results: Results, info: RunInfo, *, images: int | None, width: int, height: int
) -> tuple[Panel, bool]:
    """What the last session of `results` learned, at most `width` wide and about `height` lines high.

    Args:
        results: results so far, at least one session.
        info: the run.
        images: training images that the session brought, None where it is not known.
        width: columns of the terminal.
        height: lines that it may take; earlier sessions give way, the first and the latest stay.

    Returns:
        The panel, and whether it leaves sessions out.

    """
    records: list[Record] = results["sessions"]
    record = records[-1]
    origins = record.get("accuracy_by_session") or []
    inner = width - FRAME
    rows = 9 if height > 44 else 7 if height > 30 else 5
    table = sessions_table(records, info.published)
    beside = inner - table.width - BETWEEN
    body: RenderableType
    if beside >= BESIDE:
        beside = min(beside, WIDEST)
        inner = table.width + BETWEEN + beside
        news = _news(record, images, inner)
        table = table.latest(max(3, height - 5 - len(news)))
        free = len(table.rows) + 3 - (rows + 3) - 2  # lines of the table below the curve and a heading
        body = side_by_side(
            table_of_sessions(table),
            Group(
                _curve(results, info, beside, rows),
                Text(),
                origins_block(origins, width=beside, lines=max(4, free), style=OURS),
            ),
        )
    else:
        table = table.fitted(inner)
        inner = min(inner, max(table.width, SLIM))
        news = _news(record, images, inner)
        table = table.latest(max(3, height - rows - 9 - len(news)))
        right = origins_block(origins, width=inner // 2, lines=rows + 2, style=OURS)
        left = inner - BETWEEN - max(line.cell_len for line in right.split("\n", allow_blank=True))
        pictures = side_by_side(_curve(results, info, min(left, WIDEST), rows), right)
        body = Group(table_of_sessions(table), Text(), pictures)
    title = f"session {record.get('session', 0)} of {info.sessions - 1}"
    content = Group(*[Text(line, overflow="fold") for line in news], body)
    return framed(content, title, inner, subtitle=run_title(info)), len(table.rows) < len(records)


def _news(record: Record, images: int | None, width: int) -> list[str]:
    """What the session brought, on as few lines as it needs."""
    ids = record.get("new_classes") or []
    parts = [several(len(ids), "new class")] if ids or images is None else []
    if images is not None:
        parts.append(several(images, "image"))
    parts += [*replacement_sentences(record), f"{count(record.get('trainable_parameters'))} trainable parameters"]
    parts += [*diagnostic_sentences(record), *metric_sentences(record)]
    named = f"{parts[0]} ({class_ids(ids)})"
    if ids and len(packed([named, *parts[1:]], width)) == len(packed(parts, width)):
        parts[0] = named
    return packed(parts, width)


def _curve(results: Results, info: RunInfo, width: int, rows: int) -> Text:
    by_session = {r.get("session", i): finite(r.get("accuracy")) for i, r in enumerate(results["sessions"])}
    sessions = max(info.sessions, *(s + 1 for s in by_session))
    curves = [Curve(clean(info.strategy), [by_session.get(s) for s in range(sessions)], OURS)]
    if info.published:
        theirs = [published_at(info.published, s) for s in range(sessions)]
        curves.append(Curve("published", theirs, THEIRS, dashed=True))
    return draw(curves, sessions=sessions, width=max(width, GUTTER + 8), height=rows)
