"""A run saves where it is as it goes on, and finds where it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from clsim.experiment.checkpoint.codec import NotStorable, State
from clsim.experiment.checkpoint.files import Checkpoints, Damaged, Moment
from clsim.experiment.checkpoint.snapshots import Snapshots
from clsim.results.results import Results
from clsim.streams.protocols import StreamLike
from clsim.training import Strategy
from clsim.training.loop import ResumePoint
from clsim.utils import distributed
from clsim.utils.errors import UserError
from clsim.utils.signals import Interrupted, Interruption

AMID, TRAINED, DONE = range(3)
WORTH = 5.0
"""Seconds of training that are worth a checkpoint before they are measured."""


@dataclass(frozen=True)
class Schedule:
    """When to save amid a session: after so many minutes or iterations, whichever comes first."""

    minutes: float | None = 10.0
    iterations: int | None = None


class _Progress(NamedTuple):
    """How far a session that is resumed has come: iterations and seconds of its training, and whether that is over."""

    steps: int = 0
    seconds: float = 0.0
    trained: bool = False


class Checkpointer:
    """Saves the state of a run between sessions and amid them, and gives it back to one that was just composed.

    Where a part of the strategy cannot say what its state is, that is told once, and nothing is saved.

    Args:
        strategy: with all its plugins and metrics, before it is trained.
        stream: that it learns.
        results: of the run; their records are saved along.
        checkpoints: where to.
        schedule: when amid a session.
        interruption: is asked after every iteration.
        tell: is told what the user should know.

    Attributes:
        session: the session under way.
        is_trained: whether it goes on with its evaluation.
        last: the last checkpoint.

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
        tell: Callable[[str], None],
    ) -> None:
        self.strategy = strategy
        self.stream = stream
        self.results = results
        self.checkpoints = checkpoints
        self.schedule = schedule
        self.interruption = interruption
        self.tell = tell
        self.session = 0
        self.last: Moment | None = None
        self._snapshots = Snapshots(strategy)
        strategy.add_plugin(self._snapshots)
        strategy.after_step = self._after_step
        self.is_trained = False
        self._resumed = _Progress()
        self._steps = self._since = 0
        self._before = 0.0
        self._began = self._saved = time.monotonic()
        self._keeps = True
        self._stops = False
        self._give_up_if(self._snapshots.obstacle())

    # -- as the run goes on -----------------------------------------------------------------------------------

    def begin(self, session: int) -> None:
        """A session begins, or goes on."""
        self.session, self._since = session, 0
        self._began = self._saved = time.monotonic()
        (self._steps, self._before, self.is_trained), self._resumed = self._resumed, _Progress()
        self.interruption.waits = True

    def trained(self, seconds: float) -> float:
        """The session's training is over; gives its seconds in all.

        Raises:
            Interrupted: the run was asked to stop; it is saved.

        """
        seconds += self._before
        if self._asked() or time.monotonic() - self._saved > WORTH:
            self._save(Moment(self.session, TRAINED), {"train_seconds": seconds})
        self._stop_if_asked()
        self.interruption.waits = False  # nothing is lost from here on
        return seconds

    def measured(self) -> None:
        """The session is over, its record among the results.

        Raises:
            Interrupted: the run was asked to stop; it is saved.

        """
        self._save(Moment(self.session, DONE), {})
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
            self._save(Moment(self.session, AMID, self._steps), state)
            self._stop_if_asked()

    def _due(self) -> bool:
        minutes, iterations = self.schedule.minutes, self.schedule.iterations
        if iterations is not None and self._since >= iterations:
            return True
        return minutes is not None and time.monotonic() - self._saved >= 60 * minutes

    def _save(self, moment: Moment, state: State) -> None:
        self._saved, self._since = time.monotonic(), 0
        if not self._keeps or not distributed.is_main():
            return
        try:
            if moment.kind == AMID:
                state = {**state, "strategy": self._snapshots.amid()}
            else:
                state = {**state, "strategy": self._snapshots.between_sessions(), "results": self.results.state_dict()}
            self.checkpoints.save(moment, state)
        except NotStorable as error:
            self._give_up_if(str(error))
        else:
            self.last = moment

    def _give_up_if(self, obstacle: str | None) -> None:
        if obstacle is not None:
            self._keeps = False
            self.tell(f"this run cannot be resumed: {obstacle}")

    def _asked(self) -> bool:
        """Whether the run was asked to stop; all its processes stop after the same iteration."""
        self._stops = distributed.any_rank(self.interruption.requested)
        return self._stops

    def _stop_if_asked(self) -> None:
        if self._stops:
            raise Interrupted(self.where())

    def trained_weights(self) -> dict[str, Tensor]:
        """What training can have changed of the model, and its buffers."""
        return self._snapshots.frozen.changed(self.strategy.model)

    def where(self) -> str:
        """The last checkpoint, for a message."""
        if not self._keeps:
            return "this run cannot be resumed"
        again = f"the same command with --resume --out {self.results.path}"
        if self.last is None:
            return f"there is no checkpoint yet; {again} begins anew"
        return f"the last checkpoint is of {self.last}; {again} goes on from there"

    # -- to go on ---------------------------------------------------------------------------------------------

    def resume(self) -> int:
        """Makes the strategy and the results what they were at the last checkpoint that is whole.

        Returns:
            The session to begin with, or to go on with.

        Raises:
            UserError: the checkpoints are of another run.

        """
        for moment in self.checkpoints.moments():
            try:
                state = self.checkpoints.load(moment, str(self.strategy.device))
                before = self._base(moment, state)
            except Damaged as error:
                self.tell(f"{self.checkpoints.path(moment)} is damaged: {error}; going back to the one before")
                continue
            self._forget_after(moment)
            self.last = moment
            with self._fitting(moment):
                return self._go_on(moment, state, before)
        self._forget_after(None)
        self.tell("there is no checkpoint yet; starting from the beginning")
        return 0

    def _forget_after(self, moment: Moment | None) -> None:
        if distributed.is_main():
            self.checkpoints.forget_after(moment)

    def _base(self, moment: Moment, state: State) -> State | None:
        """The state between sessions from which the checkpoint's session began; ``None`` for the first."""
        if moment.kind != AMID:
            return state
        return (
            None
            if moment.session == 0
            else self.checkpoints.load(Moment(moment.session - 1, DONE), str(self.strategy.device))
        )

    def _go_on(self, moment: Moment, state: State, before: State | None) -> int:
        done = moment.session + (moment.kind != AMID)
        if before is not None:
            self._snapshots.restore_between_sessions(before["strategy"], self.stream.train_stream[:done])
            self.results.load_state_dict(before["results"])
        if moment.kind == DONE:
            self.tell(f"going on after session {moment.session}")
            return done
        self._resumed = _Progress(moment.step, state["train_seconds"], moment.kind == TRAINED)
        if moment.kind == TRAINED:
            self.tell(f"going on with the evaluation of session {moment.session}")
            return moment.session

        def restore() -> None:
            with self._fitting(moment):
                self._snapshots.restore_amid(state["strategy"])

        self.strategy.resume_point = ResumePoint(state["epoch"], state["step"], state["loader"], restore)
        self.tell(f"going on in session {moment.session}, after {moment.step} iterations")
        return moment.session

    @contextmanager
    def _fitting(self, moment: Moment) -> Iterator[None]:
        try:
            yield
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RuntimeError) as error:
            what = f"this checkpoint does not fit the run: {error}"
            raise UserError(what, where=str(self.checkpoints.path(moment))) from error
