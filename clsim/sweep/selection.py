"""Choice of the best point of a sweep by runs on held-out training images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from clsim.results.figures import figure
from clsim.results.results import Results
from clsim.sweep.grid import changes_text
from clsim.sweep.job import Job
from clsim.sweep.schema import Choose
from clsim.sweep.state import Board
from clsim.utils.errors import UserError
from clsim.utils.numbers import finite, percent


@dataclass(frozen=True)
class Choice:
    """Choice for a strategy on a scenario.

    Attributes:
        scenario: Name of the scenario.
        strategy: Name of the strategy.
        points: Changes of every point.
        values: Means over the seeds by point; ``None`` if a run is incomplete or has no such figure.
        best: Position of the chosen point; ``None`` if none can be chosen.

    """

    scenario: str
    strategy: str
    points: Sequence[dict[str, Any]]
    values: Sequence[float | None]
    best: int | None

    def to_dict(self, by: str) -> dict[str, Any]:
        """Return the entry of ``chosen`` in ``runs.json``."""
        tried = [{"changes": point, "value": value} for point, value in zip(self.points, self.values, strict=True)]
        changes = None if self.best is None else self.points[self.best]
        return {"scenario": self.scenario, "strategy": self.strategy, "by": by, "changes": changes, "tried": tried}

    def sentences(self, by: str) -> list[str]:
        """Return lines with every point, its figure, and the chosen one."""
        lines = [f"{self.scenario}, {self.strategy}: {by} on held-out training images (test images unused)"]
        for at, (point, value) in enumerate(zip(self.points, self.values, strict=True)):
            mark = "  <- chosen" if at == self.best else ""
            lines.append(f"  {changes_text(point)}: {percent(value)}{mark}")
        return lines if self.best is not None else [*lines, "  no point can be chosen: each has an incomplete run"]


def choose(trials: Sequence[Job], board: Board, how: Choose) -> list[Choice]:
    """Return the best point for every scenario and strategy; of equal ones, the first in the file.

    A point with an incomplete run cannot be chosen, since a mean over fewer seeds is not comparable.
    """
    groups: dict[tuple[str, str], dict[str, list[Job]]] = {}
    for job in trials:
        points = groups.setdefault((job.scenario.name, job.strategy), {})
        points.setdefault(job.folder.parent.name, []).append(job)
    usual = figure(how.by).better != "lower"
    sign = 1.0 if (usual if how.maximise is None else how.maximise) else -1.0
    found = []
    for (scenario, strategy), points in groups.items():
        values = [_mean(jobs, board, how.by) for jobs in points.values()]
        known = [(sign * value, -at) for at, value in enumerate(values) if value is not None]
        best = -max(known)[1] if known else None
        changes = [dict(jobs[0].point) for jobs in points.values()]
        found.append(Choice(scenario, strategy, changes, values, best))
    return found


def chosen_jobs(jobs: Sequence[Job], choices: Sequence[Choice]) -> list[Job]:
    """Return the jobs of the chosen points, and all jobs of strategies without a choice."""
    by = {(choice.scenario, choice.strategy): choice for choice in choices}

    def runs(job: Job) -> bool:
        choice = by.get((job.scenario.name, job.strategy))
        return choice is None or (choice.best is not None and choice.points[choice.best] == dict(job.point))

    return [job for job in jobs if runs(job)]


def _mean(jobs: Sequence[Job], board: Board, by: str) -> float | None:
    values = []
    for job in jobs:
        if board.states[job.folder].standing != "complete":
            return None
        try:
            value = finite(Results.read(board.out / job.folder).summary().get(by))
        except UserError:
            return None
        if value is None:
            return None
        values.append(value)
    return fmean(values)
