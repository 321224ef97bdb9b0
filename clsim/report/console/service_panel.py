"""The panel of the service view: search on a gallery that nobody re-indexed, and what re-indexing it would bring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from clsim.experiment.events import Record, Results
from clsim.report.console.parts import BORDERS, FRAME, OURS, SLIM, framed, plain_table, rich_table
from clsim.report.service import backfill_rows, service_table
from clsim.report.table import GAP

HEADINGS = 3
"""Lines of the table's headings and the rule below them."""


def service_panel(results: Results, *, width: int, height: int) -> tuple[Panel, bool] | None:
    """The service view after the last session, at most `width` wide and about `height` lines high.

    Args:
        results: results so far, at least one session.
        width: columns of the terminal.
        height: lines that it may take; earlier sessions give way, the first and the latest stay.

    Returns:
        The panel, and whether it leaves sessions out; None where the session has no service view.

    """
    records: list[Record] = results["sessions"]
    service = records[-1].get("service")
    if not service:
        return None
    inner = width - FRAME
    whole = service_table(records).fitted(inner)
    curves, wide = backfill_table(service.get("backfill"), inner)
    below = curves.row_count + HEADINGS if curves else 0  # a blank line, a heading and a rule
    table = whole.latest(max(3, height - BORDERS - HEADINGS - below))
    body: list[RenderableType] = [rich_table(table, strong=-1)]
    if curves:
        body += [Text(), curves]
    inner = min(inner, max(SLIM, table.width, wide))
    title = f"service after session {records[-1].get('session', 0)}"
    return framed(Group(*body), title, inner), len(table.rows) < len(whole.rows)


def backfill_table(backfill: Mapping[str, Any] | None, width: int) -> tuple[Table | None, int]:
    """The backfill curves and the characters they take, without their bars where those do not fit."""
    rows: list[tuple[str, ...]] = []
    needed = 0
    for bars in (True, False):
        rows = backfill_rows(backfill, bars=bars)
        needed = sum(max(map(len, column)) + GAP for column in zip(*rows, strict=True)) - GAP
        if needed <= width:
            break
    if not rows:
        return None, 0
    table = plain_table()
    for place, heading in enumerate(rows[0]):
        picture = not heading
        justify: Literal["left", "right"] = "left" if place == 0 or picture else "right"
        table.add_column(Text(heading, "bold"), justify=justify, style=OURS if picture else "", no_wrap=True)
    for row in rows[1:]:
        table.add_row(*map(Text, row))
    return table, needed
