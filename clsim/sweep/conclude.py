"""What a sweep ends in: the comparison of its runs, scenario by scenario and point by point, and a page of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rich.console import Console
from rich.text import Text

from clsim.report.compare import Comparison, compare
from clsim.report.compare.show import show_text
from clsim.report.console.plain import write_line
from clsim.report.figures import several
from clsim.report.html.write import NAME, leave_report
from clsim.report.upgrades import upgrades
from clsim.sweep.grid import slug, told
from clsim.sweep.job import Job
from clsim.sweep.state import Board
from clsim.utils.errors import UserError
from clsim.utils.text import clean

MOST = 100
"""Runs of a page; with more it would be too much for a browser, and for who reads it."""


class Group(NamedTuple):
    """Runs that belong side by side.

    Attributes:
        jobs: of one scenario, at one point.
        point: changes that tell them from others; ``None`` where all runs of the scenario are here.

    """

    jobs: Sequence[Job]
    point: Mapping[str, Any] | None


def groups(jobs: Sequence[Job], *, chosen: bool) -> Iterator[Group]:
    """One for every scenario and point; where points were chosen for each strategy, one for every scenario."""
    for name in dict.fromkeys(job.scenario.name for job in jobs):
        mine = [job for job in jobs if job.scenario.name == name]
        points = {told(job.point): job.point for job in mine if job.point}
        if chosen or not points:
            yield Group(mine, None)
            continue
        for words, point in points.items():
            # A strategy without a point of its own is what each of the others is compared with.
            yield Group([job for job in mine if not job.point or told(job.point) == words], point)


def conclude(console: Console, jobs: Sequence[Job], board: Board, *, chosen: bool) -> None:
    """What ``clsim compare`` says of every group.

    Args:
        console: where to.
        jobs: runs on the streams themselves.
        board: knows where they are.
        chosen: whether each strategy has the point that was best for it.

    """
    for group in groups(jobs, chosen=chosen):
        if console.is_terminal:
            console.print()
        if group.point is not None:
            _say(console, f"with {told(group.point)}", "bold")
        _compare(console, group.jobs, board)


def leave_pages(jobs: Sequence[Job], board: Board, tell: Callable[[str], None], *, chosen: bool) -> None:
    """Writes a page of every group into the directory of its scenario; one that cannot be made fails nothing."""
    for group in groups(jobs, chosen=chosen):
        runs = [board.out / job.folder for job in group.jobs]
        runs = [run for run in runs if (run / "manifest.json").exists()]  # others have not begun
        name = NAME if group.point is None else f"report-{slug(group.point)}.html"
        page = board.out / group.jobs[0].folder.parts[0] / name
        if len(runs) > MOST:
            tell(f"{page}: not made of {len(runs):,} runs; `clsim report RUN...` makes one of some of them")
        elif runs and leave_report(runs, page, tell):
            tell(f"page: {page}")


def _compare(console: Console, jobs: Sequence[Job], board: Board) -> None:
    """The comparison of the runs that are complete, and which are missing in it."""
    strategies = list(dict.fromkeys(job.strategy for job in jobs))
    complete = [job for job in jobs if board.states[job.folder].standing == "complete"]
    try:
        if complete:
            _show(console, compare([board.out / job.folder for job in complete]), jobs[0].scenario.upgrades_by)
    except UserError as error:
        _say(console, "these runs are not put side by side:", "bold")
        for line in str(error).splitlines():
            _say(console, line)
        if len(strategies) > 1:  # then each by itself may do
            for name in strategies:
                _compare(console, [job for job in jobs if job.strategy == name], board)
            return
    for name in strategies:
        mine = [board.states[job.folder] for job in jobs if job.strategy == name]
        missing = [f"seed {state.job.scenario.seed} ({state.standing})" for state in mine if state.job not in complete]
        if missing:
            of = f"{len(mine) - len(missing)} of {several(len(mine), 'run')} complete"
            _say(console, f"{name}: {of}; missing here: {', '.join(missing)}", "yellow")


def _show(console: Console, found: Comparison, upgrades_by: str | None) -> None:
    show_text(found, console)
    if upgrades_by is not None:  # in a row for each strategy, and whether its new models keep the index
        rows = [{"strategy": each.name, "seeds": [run.results for run in each.runs]} for each in found.strategies]
        upgrades(console, rows, upgrades_by)


def _say(console: Console, text: str, style: str = "") -> None:
    if console.is_terminal:
        console.print(Text(clean(text), style, overflow="fold"))
    else:
        write_line(console.file, text)
