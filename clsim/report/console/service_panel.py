"""The panel of the search service: retrieval from a gallery that was never re-indexed, and its backfill."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from clsim.experiment.events import Record, Results
from clsim.report.console.parts import BORDERS, FRAME, SLIM, framed, rich_table
from clsim.report.service import backfill_table, service_table

HEADINGS = 3
"""Lines of the table's headings and the rule below them."""


def service_panel(results: Results, *, width: int, height: int) -> tuple[Panel, bool] | None:
    """Return the panel after the last session and whether it omits sessions; None without a search service.

    Args:
        results: Results so far, of at least one session.
        width: Columns of the terminal.
        height: Lines that the panel may take; earlier sessions give way, the first and the latest stay.

    """
    records: list[Record] = results["sessions"]
    service = records[-1].get("service")
    if not service:
        return None
    inner = width - FRAME
    whole = service_table(records).fitted(inner)
    backfill = backfill_table(service.get("backfill"))
    curves = backfill.fitted(inner) if backfill else None
    below = len(curves.rows) + HEADINGS if curves else 0  # a blank line, a heading and a rule
    table = whole.latest(max(3, height - BORDERS - HEADINGS - below))
    body: list[RenderableType] = [rich_table(table, strong=-1)]
    if curves:
        body += [Text(), rich_table(curves)]
    inner = min(inner, max(SLIM, table.width, curves.width if curves else 0))
    title = f"service after session {records[-1].get('session', 0)}"
    return framed(Group(*body), title, inner), len(table.rows) < len(whole.rows)
