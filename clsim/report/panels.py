"""What the terminal shows after a session, after a run and after several runs, as rich renderables.

Every string of a scenario or a data set enters as `Text`, never as markup: a class may be called ``[red]``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from clsim.report.curve import GUTTER, Curve, draw
from clsim.report.figures import (
    DASH,
    class_ids,
    clean,
    count,
    duration,
    finite,
    published_at,
    several,
    stand_in_sentences,
)
from clsim.report.origins import origins_block
from clsim.report.reporter import Record, Results, RunInfo
from clsim.report.table import ACCURACY, DIFFERS, GAP, PUBLISHED, Sessions, sessions_table, summary_rows

OURS, THEIRS = "cyan", "yellow"
SEPARATOR = " · "
FRAME = 4
"""Characters of a panel's borders and padding, left and right."""
SLIM = 76
"""The least width of a panel's content where the terminal has it."""
BETWEEN = 3
"""Characters between two things side by side."""
BESIDE, WIDEST = 36, 64
"""The least width of the pictures beside the whole table, and the greatest of a curve."""


def stand_in_notice(scenario: str, missing: Mapping[str, Any] | None) -> RenderableType:
    """The words that must be the first and the last on the console when a stand-in runs."""
    grid = Table.grid(padding=(0, 1))
    for index, sentence in enumerate(stand_in_sentences(scenario, missing)):
        tag = Text(" STAND-IN ", "bold black on yellow", no_wrap=True)
        grid.add_row(tag, Text(sentence, "bold red" if index == 1 else "bold yellow", overflow="fold"))
    return grid


def run_title(info: RunInfo) -> Text:
    """Scenario, strategy and seed, for a panel's corner."""
    return Text.assemble((clean(info.scenario), "bold"), " · ", (clean(info.strategy), OURS), f" · seed {info.seed}")


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
    """The report after the last session of `results`, at most `width` wide and about `height` lines high.

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
        table = table.latest(max(3, height - 6))
        beside = min(beside, WIDEST)
        inner = table.width + BETWEEN + beside
        free = len(table.rows) + 3 - (rows + 3) - 2  # lines of the table below the curve and a heading
        body = _side_by_side(
            table_of_sessions(table, records),
            Group(
                _curve(results, info, beside, rows),
                Text(),
                origins_block(origins, width=beside, lines=max(4, free), style=OURS),
            ),
        )
    else:
        table = table.fitted(inner).latest(max(3, height - rows - 10))
        inner = min(inner, max(table.width, SLIM))
        right = origins_block(origins, width=inner // 2, lines=rows + 2, style=OURS)
        left = inner - BETWEEN - max(line.cell_len for line in right.split("\n", allow_blank=True))
        pictures = _side_by_side(_curve(results, info, min(left, WIDEST), rows), right)
        body = Group(table_of_sessions(table, records), Text(), pictures)
    panel = Panel(
        Group(_news(record, images, inner), body),
        title=Text.assemble(f"session {record.get('session', 0)} of {info.sessions - 1}"),
        subtitle=run_title(info),
        title_align="left",
        subtitle_align="right",
        border_style=OURS,
        box=box.ROUNDED,
        width=inner + FRAME,
        padding=(0, 1),
    )
    return panel, len(table.rows) < len(records)


def table_of_sessions(table: Sessions, records: Sequence[Record]) -> Table:
    """`table` in colour: the latest session bold, the difference from the published row green or red."""
    grid = _table()
    for column in table.columns:
        style = OURS if column is ACCURACY else THEIRS if column is PUBLISHED else ""
        heading = Text("\n".join(filter(None, column.header)), "bold")
        grid.add_column(heading, style=style, justify="right", vertical="bottom", no_wrap=True)
    for index, row in enumerate(table.rows):
        cells = [
            Text(cell, sign_style(cell) if column is DIFFERS else "")
            for column, cell in zip(table.columns, row, strict=True)
        ]
        grid.add_row(*cells, style="bold" if index == len(table.rows) - 1 else "")
    return grid


def summary_panel(results: Results, info: RunInfo, seconds: float, *, width: int, whole_table: bool) -> Panel:
    """The report after the last session: averages, drop, forgetting, time and where the files are.

    Args:
        results: complete results; a run that was interrupted or failed may lack figures.
        info: the run.
        seconds: duration of the run.
        width: columns of the terminal.
        whole_table: whether to show every session once more, because a session's panel left some out.

    """
    records: list[Record] = results.get("sessions") or []
    status = clean(results.get("status", "complete"))
    inner = width - FRAME
    figures, needed = _summary_table(results, info, inner)
    parts: list[RenderableType] = []
    if whole_table:
        table = sessions_table(records, info.published).fitted(inner)
        needed = max(needed, table.width)
        parts = [table_of_sessions(table, records), Text()]
    inner = min(inner, max(needed, SLIM))
    facts = Table.grid(padding=(0, GAP, 0, 0))
    facts.add_row(Text("total time", "bold"), Text(f"{duration(seconds)} for {several(len(records), 'session')}"))
    facts.add_row(Text("files", "bold"), Text(clean(info.out), overflow="fold"))
    parts += [figures, Text(), facts]
    good = status == "complete"
    return Panel(
        Group(*parts),
        title=Text.assemble(run_title(info), " ", (status, "bold green" if good else "bold red")),
        title_align="left",
        border_style="green" if good else "red",
        width=inner + FRAME,
        padding=(0, 1),
    )


def _summary_table(results: Results, info: RunInfo, width: int) -> tuple[Table, int]:
    """The figures of the summary and the characters they take; ours alone where the others do not fit."""
    rows = summary_rows(results, info)
    headings = ("", "this run", "published", "points")
    widths = [max(len(heading), *(len(row[i]) for row in rows)) for i, heading in enumerate(headings)]
    shown = 4 if info.published and sum(widths) + 3 * GAP <= width else 2
    grid = _table()
    grid.add_column()
    for heading, style in list(zip(headings, ("", f"bold {OURS}", THEIRS, ""), strict=True))[1:shown]:
        grid.add_column(Text(heading, "bold"), style=style, justify="right", no_wrap=True)
    for name, ours, theirs, gap in rows:
        # a larger drop is no gain and a smaller one no loss, so only accuracies are coloured
        style = sign_style(gap) if "accuracy" in name else ""
        grid.add_row(*[Text(name), Text(ours), Text(theirs), Text(gap, style)][:shown])
    return grid, sum(widths[:shown]) + GAP * (shown - 1)


def _news(record: Record, images: int | None, width: int) -> Text:
    ids = record.get("new_classes") or []
    parts = [several(len(ids), "new class")]
    if images is not None:
        parts.append(several(images, "image"))
    if record.get("replaced_by"):
        parts.append(f"model replaced by {clean(record['replaced_by'])}")
    parts.append(f"{count(record.get('trainable_parameters'))} trainable parameters")
    named = f"{parts[0]} ({class_ids(ids)})"
    if ids and len(SEPARATOR.join([named, *parts[1:]])) <= width:
        parts[0] = named
    return Text(SEPARATOR.join(parts))


def _curve(results: Results, info: RunInfo, width: int, rows: int) -> Text:
    by_session = {r.get("session", i): finite(r.get("accuracy")) for i, r in enumerate(results["sessions"])}
    sessions = max(info.sessions, *(s + 1 for s in by_session))
    curves = [Curve(clean(info.strategy), [by_session.get(s) for s in range(sessions)], OURS)]
    if info.published:
        theirs = [published_at(info.published, s) for s in range(sessions)]
        curves.append(Curve("published", theirs, THEIRS, dashed=True))
    return draw(curves, sessions=sessions, width=max(width, GUTTER + 8), height=rows)


def _side_by_side(left: RenderableType, right: RenderableType) -> Table:
    grid = Table.grid(padding=(0, BETWEEN, 0, 0))
    grid.add_row(left, right)
    return grid


def _table() -> Table:
    # one space between columns is the box's own divider, the other the padding
    return Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0))


def sign_style(difference: str) -> str:
    """Green for a written gain, red for a loss."""
    return {"+": "green", "-": "red"}.get(difference[:1], "") if difference != DASH else ""
