"""States of all runs of a sweep, in ``runs.json`` and for a watcher."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from clsim.config.yaml import dump
from clsim.sweep.job import Job, Standing, State, another_run, is_complete
from clsim.sweep.schema import Sweep
from clsim.utils.errors import UserError, UserErrors
from clsim.utils.files import atomic, locked, unlock

RUNS = "runs.json"
FORMAT = 1


class Watcher(Protocol):
    """Receiver of changes."""

    def begun(self, board: Board, how: str) -> None:
        """Receive the runs and a description of the engine."""

    def changed(self, state: State) -> None:
        """Receive a run that begins, completes a session, or ends."""

    def note(self, text: str) -> None:
        """Receive a note."""

    def ended(self, board: Board) -> None:
        """Receive the end of the sweep."""

    def close(self) -> None:
        """Release the terminal. May be called twice."""


class Board:
    """States of all runs. A change is written before the watcher receives it.

    Args:
        out: Directory of the sweep, locked until :meth:`close`.
        sweep: Sweep to run.
        watcher: Receiver of changes.

    Raises:
        UserError: another sweep is writing there, or nothing can be written.

    """

    def __init__(self, out: Path, sweep: Sweep, watcher: Watcher) -> None:
        self.out, self._watcher = out, watcher
        self.states: dict[Path, State] = {}
        self.chosen: list[dict[str, Any]] = []
        self._started: dict[Path, float] = {}
        try:
            out.mkdir(parents=True, exist_ok=True)
            self._lock = locked(out / ".lock")
        except BlockingIOError as error:
            raise UserError("another sweep is writing to this directory", where=str(out)) from error
        except OSError as error:
            what = f"cannot write the sweep's directory: {error.strerror}"
            raise UserError(what, where=str(out), fix="choose another --out") from error
        self._write("sweep.yaml", dump(sweep.model_dump(mode="json")))

    def close(self) -> None:
        """Unlock the directory."""
        unlock(self.out / ".lock", self._lock)

    def add(self, jobs: Iterable[Job]) -> None:
        """Add runs to the sweep. Complete ones do not run again.

        Raises:
            UserErrors: a directory holds another run than the one that is to go there.

        """
        problems: list[UserError] = []
        for job in jobs:
            run = self.out / job.folder
            state = self.states[job.folder] = State(job)
            fix = "choose another --out, or remove it"
            others = another_run(job, run)
            problems += [
                UserError(f"a run of something else is here: {each}", where=str(run), fix=fix) for each in others
            ]
            state.look(self.out)
            if is_complete(run):
                state.standing = "complete"
        if problems:
            raise UserErrors(problems)
        self.write()

    def of(self, jobs: Iterable[Job]) -> list[State]:
        """Return the states of runs, in their order."""
        return [self.states[job.folder] for job in jobs]

    def log(self, job: Job) -> Path:
        """Return the file with the output of a run's process."""
        return self.out / "logs" / job.folder.with_name(f"{job.folder.name}.log")

    def begin(self, state: State) -> None:
        """Record that a process is started for a run."""
        state.attempts += 1
        state.why = None
        self._started.setdefault(state.job.folder, time.monotonic())
        self._stand(state, "running")

    def look(self, states: Sequence[State]) -> None:
        """Read the progress of running runs."""
        for state in states:
            self._time(state)
            if state.look(self.out):
                self.write()
                self._watcher.changed(state)

    def end(self, state: State, standing: Standing, why: str | None = None) -> None:
        """Record the end of a run."""
        self._time(state)
        state.look(self.out)
        state.why = why
        self._stand(state, standing)

    def note(self, text: str) -> None:
        """Pass a note to the watcher."""
        self._watcher.note(text)

    def count(self) -> Counter[Standing]:
        """Return the number of runs by status."""
        return Counter(state.standing for state in self.states.values())

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``runs.json``."""
        runs = [state.to_dict() for state in self.states.values()]
        return {"format": FORMAT, "runs": runs, "chosen": self.chosen}

    def write(self) -> None:
        """Write ``runs.json``."""
        self._write(RUNS, json.dumps(self.to_dict(), indent=1) + "\n")

    def _stand(self, state: State, standing: Standing) -> None:
        state.standing = standing
        self.write()
        self._watcher.changed(state)

    def _time(self, state: State) -> None:
        if (started := self._started.get(state.job.folder)) is not None:
            state.seconds = time.monotonic() - started

    def _write(self, name: str, text: str) -> None:
        with atomic(self.out / name, durable=False) as temporary:
            temporary.write_text(text, encoding="utf-8")
