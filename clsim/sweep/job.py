"""One run of a sweep: what it is, the command that makes it, and how it stands."""

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
    """A run that is to be.

    Attributes:
        scenario: with every change of the run, its strategy and its seed.
        point: the changes that tell it from the others of the sweep.
        changes: all changes to the scenario's file.
        folder: its directory, below that of the sweep.
        of_choice: whether it is measured on held-out training images, so that a point can be chosen.

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
        """The run in a word, which is also its place."""
        return self.folder.as_posix()

    def command(self, out: Path, device: str) -> list[str]:
        """What comes after ``clsim``: a run that goes on where it was, and never a stand-in."""
        changed = [f"--set={key}={json.dumps(value, ensure_ascii=False)}" for key, value in self.changes.items()]
        chosen = ["--strategy", self.scenario.strategy, "--seed", str(self.scenario.seed), "--device", device]
        words = ["run", *chosen, *changed, "--out", str(out / self.folder), "--resume", "--strict"]
        return [*words, "--", str(self.scenario.path)]


@dataclass
class State:
    """How a run of the sweep stands.

    Attributes:
        attempts: processes that were started for it, by this command.
        session: sessions that are over.
        accuracy: after the last of them, over all classes seen.
        seconds: since its first process started, or in all.
        why: it failed.

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
        """Reads how far the run has come, from its own files; whether that is news."""
        path = out / self.job.folder / "sessions.jsonl"
        try:
            status = path.stat()
            if (status.st_mtime_ns, status.st_size) == self._seen:
                return False
            self._seen = (status.st_mtime_ns, status.st_size)
            lines = [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line[-1] == "\n"]
            record = json.loads(lines[-1]) if lines else {}
        except (OSError, ValueError):  # not there yet, or being written
            return False
        before = (self.session, self.accuracy)
        self.session, self.accuracy = len(lines), record.get("accuracy")
        return (self.session, self.accuracy) != before

    def to_dict(self) -> dict[str, Any]:
        """An entry of ``runs.json``."""
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
    """Whether a directory holds a run that came to its end."""
    try:
        status = json.loads((run / "results.json").read_text(encoding="utf-8"))["status"]
        return status == "complete" and "files" in json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def another_run(job: Job, run: Path) -> list[str]:
    """What tells the run in a directory from this one; nothing if there is none.

    Raises:
        UserError: what is there cannot be read.

    """
    return scenario_differences(run / "scenario.yaml", job.scenario) if (run / "scenario.yaml").exists() else []
