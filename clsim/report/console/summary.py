"""The panel of a finished run."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from clsim.experiment.events import Record, Results, RunInfo
from clsim.report.console.compatibility_panel import fitted_matrix, matrix_view
from clsim.report.console.parts import FRAME, SLIM, rich_table, run_title
from clsim.report.draws import draws_table
from clsim.report.figures import several
from clsim.report.service import saved, service_table
from clsim.report.sessions import sessions_table, summary_table
from clsim.report.table import GAP
from clsim.utils.numbers import duration
from clsim.utils.text import clean

View = Literal["sessions", "matrix", "service"]
"""Parts of the panels that show the sessions so far."""


def summary_panel(
    results: Results,
    info: RunInfo,
    seconds: float,
    *,
    width: int,
    shades: bool = False,
    left_out: Collection[View] = (),
) -> Panel:
    """Return the summary: averages, drop, forgetting, time and the directory.

    Args:
        results: Final results; a run that was interrupted or failed may lack figures.
        info: Facts about the run.
        seconds: Duration of the run.
        width: Columns of the terminal.
        shades: Whether the terminal has colors for backgrounds.
        left_out: Parts to show again as a whole, since the last session's panels omitted some of it.

    """
    records: list[Record] = results.get("sessions") or []
    summary = results.get("summary") or {}
    status = clean(results.get("status", "complete"))
    inner = width - FRAME
    figures = summary_table(results, info).fitted(inner if info.published or info.published_compatibility else 0)
    draws = draws_table(results).fitted(inner)
    needed = max(figures.width, draws.width if draws.rows else 0)
    parts: list[RenderableType] = []
    if "sessions" in left_out:
        table = sessions_table(records, info.published).fitted(inner)
        needed = max(needed, table.width)
        parts += [rich_table(table, strong=-1), Text()]
    if "matrix" in left_out:
        grid = fitted_matrix(results, inner)
        needed = max(needed, grid.width)
        parts += [*matrix_view(grid, inner, shades=shades), Text()]
    if "service" in left_out:
        table = service_table(records).fitted(inner)
        needed = max(needed, table.width)
        parts += [rich_table(table, strong=-1), Text()]
    inner = min(inner, max(needed, SLIM))
    facts = Table.grid(padding=(0, GAP, 0, 0))
    if summary.get("service"):
        facts.add_row(Text("service", "bold"), Text(saved(summary["service"])))
    if info.published_source:
        facts.add_row(Text("published", "bold"), Text(clean(info.published_source), overflow="fold"))
    facts.add_row(Text("total time", "bold"), Text(f"{duration(seconds)} for {several(len(records), 'session')}"))
    facts.add_row(Text("files", "bold"), Text(clean(info.out), overflow="fold"))
    parts += [rich_table(figures), Text()]
    if draws.rows:
        parts += [Text(draws.title, "bold"), rich_table(draws), Text()]
    parts += [facts]
    good = status == "complete"
    return Panel(
        Group(*parts),
        title=Text.assemble(run_title(info), " ", (status, "bold green" if good else "bold red")),
        title_align="left",
        border_style="green" if good else "red",
        width=inner + FRAME,
        padding=(0, 1),
    )
