"""How every run of a sweep stands: in ``runs.json``, and for whoever watches."""

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
    """Is told what changes."""

    def begun(self, board: Board, how: str) -> None:
        """The runs are known, and how they will be made."""

    def changed(self, state: State) -> None:
        """A run begins, has ended a session, or ends."""

    def note(self, text: str) -> None:
        """Something worth a line."""

    def ended(self, board: Board) -> None:
        """All is done that could be."""

    def close(self) -> None:
        """Gives the terminal back; harmless when called twice."""


class Board:
    """The states of all runs; what changes is written before it is told.

    Args:
        out: directory of the sweep; nobody else may write to it until :meth:`close`.
        sweep: that is run.
        watcher: is told.

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
        """Gives the directory free."""
        unlock(self.out / ".lock", self._lock)

    def add(self, jobs: Iterable[Job]) -> None:
        """Runs of the sweep; those that are complete are left as they are.

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
        """The states of these runs, in their order."""
        return [self.states[job.folder] for job in jobs]

    def log(self, job: Job) -> Path:
        """The file to which a run's process writes what it says."""
        return self.out / "logs" / job.folder.with_name(f"{job.folder.name}.log")

    def begin(self, state: State) -> None:
        """A process is started for a run."""
        state.attempts += 1
        state.why = None
        self._started.setdefault(state.job.folder, time.monotonic())
        self._stand(state, "running")

    def look(self, states: Sequence[State]) -> None:
        """Reads how far runs have come that are under way."""
        for state in states:
            self._time(state)
            if state.look(self.out):
                self.write()
                self._watcher.changed(state)

    def end(self, state: State, standing: Standing, why: str | None = None) -> None:
        """A run is over."""
        self._time(state)
        state.look(self.out)
        state.why = why
        self._stand(state, standing)

    def note(self, text: str) -> None:
        """Something worth a line."""
        self._watcher.note(text)

    def count(self) -> Counter[Standing]:
        """Runs by how they stand."""
        return Counter(state.standing for state in self.states.values())

    def to_dict(self) -> dict[str, Any]:
        """The content of ``runs.json``."""
        runs = [state.to_dict() for state in self.states.values()]
        return {"format": FORMAT, "runs": runs, "chosen": self.chosen}

    def write(self) -> None:
        """Writes ``runs.json``."""
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
