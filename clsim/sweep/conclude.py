"""What a sweep ends in: the comparison of its runs, scenario by scenario and point by point, and a page of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rich.console import Console

from clsim.report.compare import Comparison, compare
from clsim.report.compare.printing import print_tables
from clsim.report.console.parts import print_line
from clsim.report.figures import several
from clsim.report.html.write import NAME, try_report
from clsim.report.upgrades import print_upgrades
from clsim.sweep.grid import changes_text, slug
from clsim.sweep.job import Job
from clsim.sweep.state import Board
from clsim.utils.errors import UserError

MOST = 100
"""Most runs of a page; more are too much for a browser and its reader."""


class Group(NamedTuple):
    """Runs to compare.

    Attributes:
        jobs: Jobs of one scenario at one point.
        point: Settings of the point; ``None`` if the group holds all runs of the scenario.

    """

    jobs: Sequence[Job]
    point: Mapping[str, Any] | None


def groups(jobs: Sequence[Job], *, chosen: bool) -> Iterator[Group]:
    """Yield a group for every scenario and point, or for every scenario if points were chosen by strategy."""
    for name in dict.fromkeys(job.scenario.name for job in jobs):
        mine = [job for job in jobs if job.scenario.name == name]
        points = {changes_text(job.point): job.point for job in mine if job.point}
        if chosen or not points:
            yield Group(mine, None)
            continue
        for words, point in points.items():
            # A strategy without points is compared with all others.
            yield Group([job for job in mine if not job.point or changes_text(job.point) == words], point)


def conclude(console: Console, jobs: Sequence[Job], board: Board, *, chosen: bool) -> None:
    """Print the comparison of every group.

    Args:
        console: Console to print to.
        jobs: Jobs on the streams themselves, without those of the search for a point.
        board: State of the sweep.
        chosen: Whether each strategy has its best point.

    """
    for group in groups(jobs, chosen=chosen):
        if console.is_terminal:
            console.print()
        if group.point is not None:
            print_line(console, f"with {changes_text(group.point)}", "bold")
        _compare(console, group.jobs, board)


def write_pages(jobs: Sequence[Job], board: Board, log: Callable[[str], None], *, chosen: bool) -> None:
    """Write a page of every group into the directory of its scenario; a failure is logged."""
    for group in groups(jobs, chosen=chosen):
        runs = [board.out / job.folder for job in group.jobs]
        runs = [run for run in runs if (run / "manifest.json").exists()]  # others have not started
        name = NAME if group.point is None else f"report-{slug(group.point)}.html"
        page = board.out / group.jobs[0].folder.parts[0] / name
        if len(runs) > MOST:
            log(f"{page}: not written for {len(runs):,} runs; `clsim report RUN...` writes one for some of them")
        elif runs and try_report(runs, page, log):
            log(f"page: {page}")


def _compare(console: Console, jobs: Sequence[Job], board: Board) -> None:
    """Print the comparison of the complete runs, and which runs are missing."""
    strategies = list(dict.fromkeys(job.strategy for job in jobs))
    complete = [job for job in jobs if board.states[job.folder].standing == "complete"]
    try:
        if complete:
            _show(console, compare([board.out / job.folder for job in complete]), jobs[0].scenario.upgrades_by)
    except UserError as error:
        print_line(console, "these runs cannot be compared:", "bold")
        for line in str(error).splitlines():
            print_line(console, line)
        if len(strategies) > 1:  # each alone may be comparable
            for name in strategies:
                _compare(console, [job for job in jobs if job.strategy == name], board)
            return
    for name in strategies:
        mine = [board.states[job.folder] for job in jobs if job.strategy == name]
        missing = [f"seed {state.job.scenario.seed} ({state.standing})" for state in mine if state.job not in complete]
        if missing:
            of = f"{len(mine) - len(missing)} of {several(len(mine), 'run')} complete"
            print_line(console, f"{name}: {of}; missing: {', '.join(missing)}", "yellow")


def _show(console: Console, found: Comparison, upgrades_by: str | None) -> None:
    print_tables(found, console)
    if upgrades_by is not None:
        rows = [{"strategy": each.name, "seeds": [run.results for run in each.runs]} for each in found.strategies]
        print_upgrades(console, rows, upgrades_by)
