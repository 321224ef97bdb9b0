"""The events of a run and the protocol of their listeners."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from clsim.utils.training_events import SessionStarted, StepsDone

__all__ = [
    "Broadcast",
    "DrawEnded",
    "Event",
    "FilesWritten",
    "Listener",
    "Note",
    "NotesOnStderr",
    "Record",
    "Results",
    "RunEnded",
    "RunInfo",
    "RunStarted",
    "SessionEnded",
    "SessionStarted",
    "StepsDone",
]

Record = dict[str, Any]
"""One entry of ``results["sessions"]``; figures are fractions, seconds and counts."""

Results = dict[str, Any]
"""Content of ``results.json`` so far."""


@dataclass(frozen=True)
class RunInfo:
    """Facts of a run that are known before its first session.

    Attributes:
        scenario: Name of the scenario that runs; of the stand-in if one runs.
        strategy: Name of the strategy.
        seed: Seed of the run.
        device: Device of the model.
        dataset: Name of the data set.
        sessions: Number of sessions, the base session included.
        out: Run directory.
        stands_in_for: ``{"scenario": ..., "because": ...}`` and optionally ``"fix"``, how to get the missing part;
            ``None`` if the run is no stand-in.
        validation: Held-out training images of the evaluation, ``{"share": ..., "seed": ..., "images": ...,
            "classes": ...}``; ``None`` for test images.
        published: Published accuracies by session, as fractions; ``None`` if there are none.
        published_compatibility: Published figures of versions, by the keys of `clsim.results.figures`; ``None`` if
            there are none.
        published_source: Source of the published figures.
        upgrades_by: Criterion of the compatibility matrix of a stream of upgrades; ``None`` for other streams.

    """

    scenario: str
    strategy: str
    seed: int
    device: str
    dataset: str
    sessions: int
    out: str
    stands_in_for: dict[str, Any] | None = None
    validation: dict[str, Any] | None = None
    published: list[float] | None = None
    published_compatibility: dict[str, float] | None = None
    published_source: str | None = None
    upgrades_by: str | None = None


@dataclass(frozen=True)
class RunStarted:
    """A run begins or resumes."""

    info: RunInfo


@dataclass(frozen=True)
class SessionEnded:
    """A session is trained and evaluated; its record is the last one of the results."""

    results: Results


@dataclass(frozen=True)
class DrawEnded:
    """The few-shot sessions are repeated on one of the draws.

    Attributes:
        number: Number of the draw, from 1.
        draws: Number of draws.
        results: Results of the draw, as in its ``results.json``.

    """

    number: int
    draws: int
    results: Results


@dataclass(frozen=True)
class FilesWritten:
    """All files of results are in the run directory; those of a complete run are sealed."""

    directory: Path


@dataclass(frozen=True)
class RunEnded:
    """The run is complete, interrupted or failed, as ``results["status"]`` says."""

    results: Results
    seconds: float


@dataclass(frozen=True)
class Note:
    """A message for the user."""

    text: str


Event = RunStarted | SessionStarted | StepsDone | SessionEnded | DrawEnded | FilesWritten | RunEnded | Note


class Listener(Protocol):
    """Receives the events of a run in order; it must not slow the run down."""

    def on_event(self, event: Event) -> None:
        """Receive one event."""


class NotesOnStderr:
    """A listener that prints notes on standard error."""

    def on_event(self, event: Event) -> None:
        """Print a note; ignore other events."""
        if isinstance(event, Note):
            print(f"clsim: {event.text}", file=sys.stderr)


class Broadcast:
    """A listener that passes every event to several others, in their order."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = tuple(listeners)

    def on_event(self, event: Event) -> None:
        """Pass the event on."""
        for listener in self._listeners:
            listener.on_event(event)
