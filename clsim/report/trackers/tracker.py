"""Base class of the trackers: events become named values, and a resumed run continues its log."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import yaml

from clsim.experiment.events import (
    Event,
    Record,
    Results,
    RunEnded,
    RunInfo,
    RunStarted,
    SessionEnded,
    SessionStarted,
    StepsDone,
)
from clsim.report.trackers.state import TrackerState
from clsim.report.trackers.values import Scalar, parameters, progress_values, summary_values, values_of

ARTIFACTS = ("results.json", "manifest.json", "scenario.yaml")


@dataclass(frozen=True)
class TrackedRun:
    """A run that a tracker begins or continues to log.

    Attributes:
        info: Facts of the run.
        parameters: Its settings; see :func:`~clsim.report.trackers.values.parameters`.
        state: What the tracker has of it, with the tracker's identifier.
        resumed: Whether the tracker has the run already.

    """

    info: RunInfo
    parameters: dict[str, Scalar]
    state: TrackerState
    resumed: bool

    @property
    def out(self) -> Path:
        """The run directory."""
        return Path(self.info.out)

    @property
    def name(self) -> str:
        """Name of the run in a list."""
        return f"{self.info.scenario}, {self.info.strategy}, seed {self.info.seed}"


class Tracker(ABC):
    """A listener that logs figures to an experiment tracker.

    A resumed run continues the same log. The run directory holds what was logged
    (:class:`~clsim.report.trackers.state.TrackerState`): sessions that the tracker has are not logged again, even if
    they are evaluated once more, and iterations only after the last one that it has. A session's values are stored
    before they are logged; if the run is killed in between, the same values are logged again, never others. Sessions
    from before the tracker was added are logged, too.
    """

    KIND: ClassVar[str]

    def __init__(self) -> None:
        self._state: TrackerState | None = None
        self._out = Path()
        self._before = 0

    @abstractmethod
    def begin(self, run: TrackedRun) -> None:
        """Open the run; log its parameters unless the tracker has them."""

    @abstractmethod
    def session(self, session: int, values: Mapping[str, float]) -> None:
        """Log the figures of a session."""

    @abstractmethod
    def iteration(self, iteration: int, values: Mapping[str, float]) -> None:
        """Log figures of training, by iterations since the run began."""

    @abstractmethod
    def end(self, status: str, session: int, summary: Mapping[str, float]) -> None:
        """Log the status of the run and the summary of a complete one; `session` is the last session."""

    def close(self) -> None:  # noqa: B027  (not every tracker holds something)
        """Release files and connections; a second call does nothing."""

    def on_event(self, event: Event) -> None:
        """Log an event; the end of the run closes the tracker."""
        match event:
            case RunStarted(info):
                self._run_started(info)
            case SessionStarted(session):
                # Of a resumed run, only its files know the iterations of earlier sessions.
                self._before = sum(int(record.get("iterations") or 0) for record in _sessions(self._out)[:session])
            case StepsDone():
                self._steps_done(event)
            case SessionEnded(results):
                self._session_ended(results)
            case RunEnded(results):
                try:
                    self._run_ended(results)
                finally:
                    self.close()

    def artifacts(self) -> list[Path]:
        """Return the files of the run that describe it and its results."""
        return [path for path in map(self._out.joinpath, ARTIFACTS) if path.is_file()]

    def _run_started(self, info: RunInfo) -> None:
        self._out = Path(info.out)
        manifest = _read(self._out / "manifest.json")
        state = TrackerState.read(self._out, self.KIND, manifest.get("started"))
        settings = parameters(_read(self._out / "scenario.yaml"), manifest)
        self.begin(TrackedRun(info, settings, state, resumed=state.run is not None))
        state.run = state.run or self.KIND
        state.write()
        self._state = state

    def _steps_done(self, done: StepsDone) -> None:
        """Log the loss if it was read."""
        state, iteration = self._state, self._before + done.step
        if state is None or done.loss is None or iteration <= state.iterations:
            return
        self.iteration(iteration, progress_values(done.loss, done.images_per_second))
        state.iterations = iteration
        state.write()

    def _session_ended(self, results: Results) -> None:
        """Log every session that the tracker does not have."""
        state = self._state
        if state is None:
            return
        for record in results["sessions"][state.sessions :]:
            values = state.pending or values_of(record)
            state.pending = values
            state.write()
            self.session(state.sessions, values)
            state.sessions, state.pending = state.sessions + 1, None
            state.write()

    def _run_ended(self, results: Results) -> None:
        """Log the status and, of a complete run, the summary."""
        if self._state is None:
            return
        self._session_ended(results)
        status = results["status"]
        summary = summary_values(results["summary"]) if status == "complete" else {}
        self.end(status, max(0, len(results["sessions"]) - 1), summary)


def _read(path: Path) -> dict[str, Any]:
    """Read a file of the run directory; empty if it is missing, as for a strategy composed in Python."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    found = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    return found if isinstance(found, dict) else {}


def _sessions(out: Path) -> list[Record]:
    try:
        lines = (out / "sessions.jsonl").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines]
