"""What a sweep ends in: the runs side by side, scenario by scenario."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from clsim.errors import UserError
from clsim.report.series_table import series_table
from clsim.store import Results
from clsim.sweep.board import Board
from clsim.sweep.job import Job
from clsim.sweep.points import told


def conclude(console: Console, jobs: Sequence[Job], board: Board, *, chosen: bool) -> None:
    """One table for every scenario and point; where points were chosen, one for every scenario.

    Args:
        console: where to.
        jobs: runs on the streams themselves.
        board: knows where they are.
        chosen: whether each strategy has the point that was best for it.

    """
    for name in dict.fromkeys(job.scenario.name for job in jobs):
        mine = [job for job in jobs if job.scenario.name == name]
        if chosen or not any(job.point for job in mine):
            compare(console, mine, board)
            continue
        for point in dict.fromkeys(told(job.point) for job in mine if job.point):
            console.print(Text(f"\nwith {point}"))
            # A strategy without a point of its own is what each of the others is compared with.
            compare(console, [job for job in mine if not job.point or told(job.point) == point], board)


def compare(console: Console, jobs: Sequence[Job], board: Board) -> None:
    """The runs of one stream in one table, a row for every strategy; the one place that knows how it is made."""
    rows: dict[str, list[Job]] = {}
    for job in jobs:
        rows.setdefault(job.strategy, []).append(job)
    scenario = jobs[0].scenario
    series_table(
        console,
        [{"strategy": name, "seeds": [_results(job, board) for job in group]} for name, group in rows.items()],
        upgrades_by=scenario.upgrades_by,
    )


def _results(job: Job, board: Board) -> dict[str, object]:
    """What a run left; of one that is not complete only that it was to be."""
    if board.states[job.folder].standing == "complete":
        try:
            return Results.read(board.out / job.folder).to_dict()
        except UserError:
            pass
    return {"scenario": job.scenario.name, "summary": {}}
