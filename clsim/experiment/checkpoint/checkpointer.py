"""Save and restore checkpoints of a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from clsim.experiment.checkpoint.codec import NotStorable, State
from clsim.experiment.checkpoint.files import CheckpointId, Checkpoints, Damaged
from clsim.experiment.checkpoint.snapshots import Snapshots
from clsim.results.results import Results
from clsim.streams.protocols import StreamLike
from clsim.training import Strategy
from clsim.training.loop import ResumePoint
from clsim.utils import distributed
from clsim.utils.errors import UserError
from clsim.utils.signals import Interrupted, Interruption

WITHIN, TRAINED, DONE = range(3)
WORTH = 5.0
"""Seconds of training after which a checkpoint precedes the evaluation."""


@dataclass(frozen=True)
class Schedule:
    """When to save within a session: after a number of minutes or iterations, the earlier of the two."""

    minutes: float | None = 10.0
    iterations: int | None = None


class _Progress(NamedTuple):
    """Progress of a resumed session: iterations and seconds of training, and whether that is over."""

    steps: int = 0
    seconds: float = 0.0
    trained: bool = False


class Checkpointer:
    """Saves the state of a run between sessions and within them, and restores it in a new strategy.

    If the state of a plugin or metric cannot be stored, a note says so, and nothing is saved.

    Args:
        strategy: Strategy with all its plugins and metrics, before it is trained.
        stream: Stream that it learns.
        results: Results of the run, which are part of a checkpoint.
        checkpoints: Checkpoints on disk.
        schedule: When to save within a session.
        interruption: Request to stop, checked after every iteration.
        note: Function that receives messages for the user.

    Attributes:
        session: Number of the current session.
        is_trained: Whether only its evaluation remains.
        last: The last checkpoint; ``None`` before the first.

    """

    def __init__(
        self,
        strategy: Strategy,
        stream: StreamLike,
        results: Results,
        checkpoints: Checkpoints,
        *,
        schedule: Schedule,
        interruption: Interruption,
        note: Callable[[str], None],
    ) -> None:
        self.strategy = strategy
        self.stream = stream
        self.results = results
        self.checkpoints = checkpoints
        self.schedule = schedule
        self.interruption = interruption
        self.note = note
        self.session = 0
        self.last: CheckpointId | None = None
        self._snapshots = Snapshots(strategy)
        strategy.add_plugin(self._snapshots)
        strategy.after_step = self._after_step
        self.is_trained = False
        self._resumed = _Progress()
        self._steps = self._since = 0
        self._before = 0.0
        self._began = self._saved = time.monotonic()
        self._enabled = True
        self._stops = False
        self._give_up_if(self._snapshots.obstacle())

    # -- during the run ---------------------------------------------------------------------------------------

    def begin(self, session: int) -> None:
        """Begin or resume a session."""
        self.session, self._since = session, 0
        self._began = self._saved = time.monotonic()
        (self._steps, self._before, self.is_trained), self._resumed = self._resumed, _Progress()
        self.interruption.waits = True

    def trained(self, seconds: float) -> float:
        """End the training of the session; return its seconds in all.

        Raises:
            Interrupted: The run was asked to stop; it is saved.

        """
        seconds += self._before
        if self._asked() or time.monotonic() - self._saved > WORTH:
            self._save(CheckpointId(self.session, TRAINED), {"train_seconds": seconds})
        self._stop_if_asked()
        self.interruption.waits = False  # from here on nothing would be lost
        return seconds

    def measured(self) -> None:
        """End the session, whose record is in the results.

        Raises:
            Interrupted: The run was asked to stop; it is saved.

        """
        self._save(CheckpointId(self.session, DONE), {})
        self._asked()
        self._stop_if_asked()

    def _after_step(self) -> None:
        self._steps += 1
        self._since += 1
        if self._asked() or self._due():
            state = {
                "epoch": self.strategy.epoch,
                "step": self.strategy.step,
                "loader": self.strategy.loader_state,
                "train_seconds": self._before + time.monotonic() - self._began,
            }
            self._save(CheckpointId(self.session, WITHIN, self._steps), state)
            self._stop_if_asked()

    def _due(self) -> bool:
        minutes, iterations = self.schedule.minutes, self.schedule.iterations
        if iterations is not None and self._since >= iterations:
            return True
        return minutes is not None and time.monotonic() - self._saved >= 60 * minutes

    def _save(self, place: CheckpointId, state: State) -> None:
        self._saved, self._since = time.monotonic(), 0
        if not self._enabled or not distributed.is_main():
            return
        try:
            if place.kind == WITHIN:
                state = {**state, "strategy": self._snapshots.amid()}
            else:
                state = {**state, "strategy": self._snapshots.between_sessions(), "results": self.results.state_dict()}
            self.checkpoints.save(place, state)
        except NotStorable as error:
            self._give_up_if(str(error))
        else:
            self.last = place

    @property
    def saves(self) -> bool:
        """Whether the state of the run can be stored."""
        return self._enabled

    def _give_up_if(self, obstacle: str | None) -> None:
        if obstacle is not None:
            self._enabled = False
            self.note(f"this run cannot be resumed: {obstacle}")

    def _asked(self) -> bool:
        """Return whether the run was asked to stop; all its processes stop after the same iteration."""
        self._stops = distributed.any_rank(self.interruption.requested)
        return self._stops

    def _stop_if_asked(self) -> None:
        if self._stops:
            raise Interrupted(self.where())

    def trained_weights(self) -> dict[str, Tensor]:
        """Return the parameters that training can have changed, and the buffers."""
        return self._snapshots.frozen.changed(self.strategy.model)

    def where(self) -> str:
        """Return a sentence about the last checkpoint."""
        if not self._enabled:
            return "this run cannot be resumed"
        again = f"the same command with --resume --out {self.results.path}"
        if self.last is None:
            return f"there is no checkpoint yet; {again} starts again"
        return f"the last checkpoint is of {self.last}; {again} resumes from it"

    # -- resuming ---------------------------------------------------------------------------------------------

    def resume(self) -> int:
        """Restore strategy and results from the last checkpoint that is whole.

        Returns:
            The session to begin or to resume.

        Raises:
            UserError: The checkpoints are of another run.

        """
        for place in self.checkpoints.ids():
            try:
                state = self.checkpoints.load(place, str(self.strategy.device))
                before = self._base(place, state)
            except Damaged as error:
                self.note(f"{self.checkpoints.path(place)} is damaged: {error}; using the one before")
                continue
            self._forget_after(place)
            self.last = place
            with self._fitting(place):
                return self._restore(place, state, before)
        self._forget_after(None)
        self.note("there is no checkpoint yet; starting from the beginning")
        return 0

    def _forget_after(self, place: CheckpointId | None) -> None:
        if distributed.is_main():
            self.checkpoints.forget_after(place)

    def _base(self, place: CheckpointId, state: State) -> State | None:
        """Return the state between sessions from which the checkpoint's session began; ``None`` for the first."""
        if place.kind != WITHIN:
            return state
        return (
            None
            if place.session == 0
            else self.checkpoints.load(CheckpointId(place.session - 1, DONE), str(self.strategy.device))
        )

    def _restore(self, place: CheckpointId, state: State, before: State | None) -> int:
        done = place.session + (place.kind != WITHIN)
        if before is not None:
            self._snapshots.restore_between_sessions(before["strategy"], self.stream.train_stream[:done])
            self.results.load_state_dict(before["results"])
        if place.kind == DONE:
            self.note(f"resuming after session {place.session}")
            return done
        self._resumed = _Progress(place.step, state["train_seconds"], place.kind == TRAINED)
        if place.kind == TRAINED:
            self.note(f"resuming with the evaluation of session {place.session}")
            return place.session

        def restore() -> None:
            with self._fitting(place):
                self._snapshots.restore_amid(state["strategy"])

        self.strategy.resume_point = ResumePoint(state["epoch"], state["step"], state["loader"], restore)
        self.note(f"resuming in session {place.session}, after {place.step} iterations")
        return place.session

    @contextmanager
    def _fitting(self, place: CheckpointId) -> Iterator[None]:
        try:
            yield
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RuntimeError) as error:
            what = f"this checkpoint does not fit the run: {error}"
            raise UserError(what, where=str(self.checkpoints.path(place))) from error
