"""Runs of a sweep: their definitions, commands and states."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from clsim.config import Scenario
from clsim.config.scenario import strategy_name
from clsim.results.differences import scenario_differences

Standing = Literal["waiting", "running", "complete", "failed", "interrupted"]


@dataclass(frozen=True)
class Job:
    """Definition of a run.

    Attributes:
        scenario: Scenario with all changes, the strategy and the seed of the run.
        point: Changes that distinguish the run from others of the sweep.
        changes: All changes to the scenario's file.
        folder: Run directory, relative to that of the sweep.
        of_choice: Whether the run is evaluated on held-out training images, to choose a point.

    """

    scenario: Scenario
    point: Mapping[str, Any]
    changes: Mapping[str, Any]
    folder: Path
    of_choice: bool = False

    @property
    def strategy(self) -> str:
        """Name of the strategy."""
        return strategy_name(self.scenario.strategy)

    @property
    def name(self) -> str:
        """Name of the run, which is also its path."""
        return self.folder.as_posix()

    def command(self, out: Path, device: str) -> list[str]:
        """Return the arguments of ``clsim`` that run or resume it, without a stand-in."""
        changed = [f"--set={key}={json.dumps(value, ensure_ascii=False)}" for key, value in self.changes.items()]
        chosen = ["--strategy", self.scenario.strategy, "--seed", str(self.scenario.seed), "--device", device]
        words = ["run", *chosen, *changed, "--out", str(out / self.folder), "--resume", "--strict"]
        return [*words, "--", str(self.scenario.path)]


@dataclass
class State:
    """State of a run.

    Attributes:
        job: Definition of the run.
        standing: Status of the run.
        attempts: Number of processes that this command has started for it.
        session: Number of completed sessions.
        accuracy: Accuracy over all classes seen after the last completed session.
        seconds: Seconds since its first process started, or in total.
        why: Reason of a failure.

    """

    job: Job
    standing: Standing = "waiting"
    attempts: int = 0
    session: int = 0
    accuracy: float | None = None
    seconds: float = 0.0
    why: str | None = None
    _seen: tuple[int, int] = field(default=(0, 0), repr=False)

    def look(self, out: Path) -> bool:
        """Read the progress from the run directory; return whether it has changed."""
        path = out / self.job.folder / "sessions.jsonl"
        try:
            status = path.stat()
            if (status.st_mtime_ns, status.st_size) == self._seen:
                return False
            self._seen = (status.st_mtime_ns, status.st_size)
            lines = [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line[-1] == "\n"]
            record = json.loads(lines[-1]) if lines else {}
        except (OSError, ValueError):  # missing, or being written
            return False
        before = (self.session, self.accuracy)
        self.session, self.accuracy = len(lines), record.get("accuracy")
        return (self.session, self.accuracy) != before

    def to_dict(self) -> dict[str, Any]:
        """Return the entry of ``runs.json``."""
        job = self.job
        return {
            "run": job.name,
            "scenario": job.scenario.name,
            "strategy": job.strategy,
            "seed": job.scenario.seed,
            "changes": dict(job.point),
            "validation": job.of_choice,
            "state": self.standing,
            "attempts": self.attempts,
            "sessions": self.session,
            "accuracy": self.accuracy,
            "seconds": round(self.seconds, 3),
            "why": self.why,
        }


def is_complete(run: Path) -> bool:
    """Return whether a directory holds a complete run."""
    try:
        status = json.loads((run / "results.json").read_text(encoding="utf-8"))["status"]
        return status == "complete" and "files" in json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def another_run(job: Job, run: Path) -> list[str]:
    """Return the differences between the run in a directory and a job; none if there is no run.

    Raises:
        UserError: The run cannot be read.

    """
    return scenario_differences(run / "scenario.yaml", job.scenario) if (run / "scenario.yaml").exists() else []
