"""What all trackers have in common: events become names and values, and a run that is resumed goes on."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import yaml

from clsim.experiment.reporter import Record, Results, RunInfo
from clsim.report.trackers.state import Told
from clsim.report.trackers.values import Scalar, parameters, progress_values, summary_values, values_of

ARTEFACTS = ("results.json", "manifest.json", "scenario.yaml")


@dataclass(frozen=True)
class Begun:
    """A run, as a tracker begins it or goes on with it.

    Attributes:
        info: what is known of it.
        parameters: what it was made of; see :func:`~clsim.report.trackers.values.parameters`.
        told: how far the tracker was told; the tracker keeps its own name of the run there.
        resumed: whether the tracker knows the run already.

    """

    info: RunInfo
    parameters: dict[str, Scalar]
    told: Told
    resumed: bool

    @property
    def out(self) -> Path:
        """The run directory."""
        return Path(self.info.out)

    @property
    def name(self) -> str:
        """Of the run, for a list of them."""
        return f"{self.info.scenario}, {self.info.strategy}, seed {self.info.seed}"


class Tracker(ABC):
    """A reporter that hands figures to a tracker.

    A run that is resumed goes on in the same place. What was told is noted in the run directory
    (:class:`~clsim.report.trackers.state.Told`): sessions that the tracker has are not told again, even if they are
    measured once more, and iterations only from the last one that it has. A session's values are noted before they
    are told; if the run is killed between that and the tracker's answer, the same values are told again, never
    others. Sessions of the run that the tracker has not heard of, because it was not asked for then, are caught up.
    """

    KIND: ClassVar[str]

    def __init__(self) -> None:
        self._told: Told | None = None
        self._out = Path()
        self._before = 0

    @abstractmethod
    def begin(self, run: Begun) -> None:
        """Opens the run, with its parameters unless the tracker has them."""

    @abstractmethod
    def session(self, session: int, values: Mapping[str, float]) -> None:
        """Takes the figures of a session."""

    @abstractmethod
    def iteration(self, iteration: int, values: Mapping[str, float]) -> None:
        """Takes figures of training, by iterations since the run began."""

    @abstractmethod
    def end(self, status: str, session: int, summary: Mapping[str, float]) -> None:
        """Takes how the run ended, and the figures of a complete one; `session` is the last one."""

    def close(self) -> None:  # noqa: B027  (some hold nothing)
        """Gives back what the tracker holds; harmless when called twice."""

    def run_started(self, info: RunInfo) -> None:
        """Opens the tracker, at the place where it was if it knows the run."""
        self._out = Path(info.out)
        manifest = _read(self._out / "manifest.json")
        told = Told.of(self._out, self.KIND, manifest.get("started"))
        made_of = parameters(_read(self._out / "scenario.yaml"), manifest)
        self.begin(Begun(info, made_of, told, resumed=told.run is not None))
        told.run = told.run or self.KIND
        told.write()
        self._told = told

    def session_started(self, session: int, new_classes: int, images: int, epochs: int, steps: int) -> None:
        """Finds out how many iterations came before; of a run that is resumed only its files know."""
        self._before = sum(int(record.get("iterations") or 0) for record in _sessions(self._out)[:session])

    def progress(self, epoch: int, step: int, loss: float | None, images_per_second: float) -> None:
        """Tells the loss, where it was read."""
        told, iteration = self._told, self._before + step
        if told is None or loss is None or iteration <= told.iterations:
            return
        self.iteration(iteration, progress_values(loss, images_per_second))
        told.iterations = iteration
        told.write()

    def session_ended(self, results: Results) -> None:
        """Tells every session that the tracker does not have."""
        told = self._told
        if told is None:
            return
        for record in results["sessions"][told.sessions :]:
            values = told.pending or values_of(record)
            told.pending = values
            told.write()
            self.session(told.sessions, values)
            told.sessions, told.pending = told.sessions + 1, None
            told.write()

    def run_ended(self, results: Results, seconds: float) -> None:
        """Tells the status and, of a complete run, the summary."""
        if self._told is None:
            return
        self.session_ended(results)
        status = results["status"]
        summary = summary_values(results["summary"]) if status == "complete" else {}
        self.end(status, max(0, len(results["sessions"]) - 1), summary)

    def note(self, text: str) -> None:  # noqa: B027
        """Silent."""

    def artefacts(self) -> list[Path]:
        """The run's files that say what it was and gave."""
        return [path for path in map(self._out.joinpath, ARTEFACTS) if path.is_file()]


def _read(path: Path) -> dict[str, Any]:
    """A file of the run directory; empty if there is none, as of a strategy composed in Python."""
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
