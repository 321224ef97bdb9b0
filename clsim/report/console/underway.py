"""The session under way: its extent, a smoothed loss and the time left."""

from __future__ import annotations

import time
from collections.abc import Callable

from clsim.utils.training_events import SessionStarted, StepsDone


class Underway:
    """State of the session under way.

    Args:
        begun: Event that began it.
        clock: Function that returns seconds.

    Attributes:
        epoch: Current epoch; the first is 1.
        step: Number of steps done.
        loss: Smoothed loss; ``None`` before the first one was read.
        images_per_second: Training throughput.

    """

    SMOOTHING = 0.9
    """Weight of the losses so far in the exponential mean."""

    def __init__(self, begun: SessionStarted, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.begun = begun
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
        """Whether training is over and only the evaluation remains."""
        return self.step >= self.begun.steps

    @property
    def seconds_left(self) -> float | None:
        """Seconds of training left at the mean pace so far; ``None`` before two steps give a pace.

        The first report is the origin: the step before it may have compiled and warmed up.
        """
        if self._first is None or self._last[1] <= self._first[1]:
            return None
        pace = (self._last[0] - self._first[0]) / (self._last[1] - self._first[1])
        return pace * max(0, self.begun.steps - self.step)

    def update(self, done: StepsDone) -> None:
        """Add one report; the loss is an exponential mean, with Adam's correction of its start."""
        self.epoch = min(max(done.epoch, 1), max(self.begun.epochs, 1))
        self.step = done.step
        self.images_per_second = done.images_per_second
        self._last = (self._clock(), done.step)
        if self._first is None:
            self._first = self._last
        if done.loss is not None:
            mean = (self.loss or 0.0) * self._weight
            self._weight = self.SMOOTHING * self._weight + (1 - self.SMOOTHING)
            self.loss = (self.SMOOTHING * mean + (1 - self.SMOOTHING) * done.loss) / self._weight
