"""What the terminal shows when a run begins and after each session."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from clsim.experiment.events import Record, Results, RunInfo
from clsim.report.compatibility import diagnostic_sentences, metric_sentences, replacement_sentences
from clsim.report.console.curve import GUTTER, Curve, draw
from clsim.report.console.parts import BETWEEN, FRAME, OURS, SLIM, THEIRS, framed, rich_table, run_title, side_by_side
from clsim.report.figures import class_ids, packed, published_at, several
from clsim.report.origins import origins_block
from clsim.report.sessions import sessions_table
from clsim.utils.numbers import count, finite
from clsim.utils.text import clean

BESIDE, WIDEST = 36, 64
"""Least width of the pictures beside the whole table, and greatest width of a curve."""


def run_header(info: RunInfo) -> RenderableType:
    """Return what runs, on what, and where its files go."""
    where = f"{clean(info.dataset)} on {clean(info.device)}, {several(info.sessions, 'session')}"
    return Group(
        Text.assemble("clsim ", run_title(info)),
        Text(where, "dim"),
        Text(f"files in {clean(info.out)}", "dim", overflow="fold"),
    )


def session_panel(
    results: Results, info: RunInfo, *, images: int | None, width: int, height: int
) -> tuple[Panel, bool]:
    """Return the panel of the last session, and whether it omits earlier sessions.

    Args:
        results: Results so far, of at least one session.
        info: Facts about the run.
        images: Training images of the session; None if unknown.
        width: Columns of the terminal.
        height: Lines that the panel may take; earlier sessions give way, the first and the latest stay.

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
        block = origins_block(origins, width=beside, lines=max(4, free), style=OURS)
        body = side_by_side(rich_table(table, strong=-1), Group(_curve(results, info, beside, rows), Text(), block))
    else:
        table = table.fitted(inner)
        inner = min(inner, max(table.width, SLIM))
        news = _news(record, images, inner)
        table = table.latest(max(3, height - rows - 9 - len(news)))
        right = origins_block(origins, width=inner // 2, lines=rows + 2, style=OURS)
        left = inner - BETWEEN - max(line.cell_len for line in right.split("\n", allow_blank=True))
        pictures = side_by_side(_curve(results, info, min(left, WIDEST), rows), right)
        body = Group(rich_table(table, strong=-1), Text(), pictures)
    title = f"session {record.get('session', 0)} of {info.sessions - 1}"
    content = Group(*[Text(line, overflow="fold") for line in news], body)
    return framed(content, title, inner, subtitle=run_title(info)), len(table.rows) < len(records)


def _news(record: Record, images: int | None, width: int) -> list[str]:
    """Return what is new in the session, on as few lines as possible."""
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
        curves.append(Curve("published", theirs, THEIRS, dotted=True))
    return draw(curves, sessions=sessions, width=max(width, GUTTER + 8), height=rows)
