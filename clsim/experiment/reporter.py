"""What a run tells while it goes on: the events, and what is known of the session under way."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

Record = dict[str, Any]
"""One entry of ``results["sessions"]``; figures are fractions, seconds and counts."""

Results = dict[str, Any]
"""The content of ``results.json`` (so far)."""


@dataclass(frozen=True)
class RunInfo:
    """What is known of a run before its first session.

    Attributes:
        scenario: name of the scenario that runs (the stand-in's own name when one runs).
        strategy: name of the strategy.
        seed: seed of the run.
        device: where it computes.
        dataset: name of the data set.
        sessions: number of sessions, the base session included.
        out: directory of the run's files.
        stands_in_for: None, or ``{"scenario": ..., "because": ...}`` and optionally ``"fix"``, how to get
            what is missing.
        validation: None, or which held-out training images it is measured on, ``{"share": ..., "seed": ...,
            "images": ..., "classes": ...}``.
        published: published accuracies by session as fractions, where the scenario has them.
        published_compatibility: published ``{"ac": ..., "am": ...}`` of a whole run as fractions, where it has them;
            further figures by the names of `clsim.results.figures`.
        published_source: where the published figures stand.
        upgrades_by: criterion of the compatibility matrix, where the stream is one of upgrades.

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


class Reporter(Protocol):
    """Receives a run's events in order; never computes a metric, never holds the device up."""

    def run_started(self, info: RunInfo) -> None:
        """A run begins."""

    def session_started(self, session: int, new_classes: int, images: int, epochs: int, steps: int) -> None:
        """A session begins: `steps` optimiser steps over all its `epochs`; both 0 when nothing is trained."""

    def progress(self, epoch: int, step: int, loss: float | None, images_per_second: float) -> None:
        """`step` steps of the session are done, in the `epoch`-th epoch (the first is 1)."""

    def session_ended(self, results: Results) -> None:
        """A session is trained and measured: it is ``results["sessions"][-1]``."""

    def run_ended(self, results: Results, seconds: float) -> None:
        """The run is complete, interrupted or failed, as ``results["status"]`` says."""

    def note(self, text: str) -> None:
        """Something worth a line."""

    def close(self) -> None:
        """Give the terminal back; harmless when called twice, and after an error."""


class Underway:
    """The session under way: its extent, a smoothed loss and the time left."""

    SMOOTHING = 0.9

    def __init__(
        self,
        session: int,
        new_classes: int,
        images: int,
        epochs: int,
        steps: int,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.session = session
        self.new_classes = new_classes
        self.images = images
        self.epochs = epochs
        self.steps = steps
        self.epoch = 1
        self.step = 0
        self.loss: float | None = None
        self.images_per_second = 0.0
        self._clock = clock
        self._first: tuple[float, int] | None = None
        self._last = (0.0, 0)
        self._weight = 0.0

    @property
    def measuring(self) -> bool:
        """Whether training is over and only the evaluation is awaited."""
        return self.step >= self.steps

    @property
    def seconds_left(self) -> float | None:
        """Seconds of training left at the mean pace so far; None before two steps tell a pace.

        The first report is the origin: the step before it may have compiled and warmed up.
        """
        if self._first is None or self._last[1] <= self._first[1]:
            return None
        pace = (self._last[0] - self._first[0]) / (self._last[1] - self._first[1])
        return pace * max(0, self.steps - self.step)

    def update(self, epoch: int, step: int, loss: float | None, images_per_second: float) -> None:
        """Take in one report; the loss is an exponential mean, corrected for its start as Adam's are."""
        self.epoch = min(max(epoch, 1), max(self.epochs, 1))
        self.step = step
        self.images_per_second = images_per_second
        self._last = (self._clock(), step)
        if self._first is None:
            self._first = self._last
        if loss is not None:
            mean = (self.loss or 0.0) * self._weight
            self._weight = self.SMOOTHING * self._weight + (1 - self.SMOOTHING)
            self.loss = (self.SMOOTHING * mean + (1 - self.SMOOTHING) * loss) / self._weight
