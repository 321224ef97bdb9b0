"""Progress of training for a listener, without slowing it down."""

from __future__ import annotations

import time
from typing import Any, Protocol

from avalanche.training.plugins import SupervisedPlugin

from clsim.training.loaders import length
from clsim.utils.arguments import NotNegative, checked
from clsim.utils.training_events import SessionStarted, StepsDone


class TrainingListener(Protocol):
    """A listener for the events of training."""

    def on_event(self, event: SessionStarted | StepsDone) -> None:
        """Receive one event."""


class Progress(SupervisedPlugin[Any]):
    """Sends the progress of training to a listener a few times a second; stands last in the list of plugins.

    On an accelerator the loss is read at the end of an epoch, since reading it waits for the device: not of every epoch
    where they are shorter than the interval, but of the last. On the CPU it costs nothing and is read each time.

    Args:
        listener: Listener that receives the events.
        interval: Seconds between two reports.

    """

    @checked
    def __init__(self, listener: TrainingListener, interval: NotNegative = 0.2) -> None:
        super().__init__()
        self.listener = listener
        self.interval = interval
        self._images = self._steps = 0
        self._started = self._reported = self._read = 0.0

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Send the extent of the session."""
        self._images = self._steps = 0
        self._started = self._reported = self._read = time.perf_counter()
        session = strategy.experience
        steps = length(strategy.dataloader)
        if steps is None:  # about as many as a loader of the session's images has
            steps = -(-len(session.dataset) // strategy.train_mb_size)
        begun = SessionStarted(
            session=session.current_experience,
            new_classes=len(set(session.classes_in_this_experience) - set(session.previous_classes)),
            images=len(session.dataset),
            epochs=strategy.train_epochs,
            steps=strategy.train_epochs * steps,
        )
        self.listener.on_event(begun)

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        """Count, and report if it is time."""
        self._images += len(strategy.mb_y)
        # Not counted here: a session that is resumed has steps behind it. The clock ticks behind the plugins.
        self._steps = strategy.clock.train_exp_iterations + 1
        if time.perf_counter() - self._reported >= self.interval:
            self._report(strategy, read_loss=strategy.device.type == "cpu")

    def after_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
        """Report the loss of the last step."""
        if self._steps:
            last = strategy.clock.train_exp_epochs + 1 >= strategy.train_epochs
            due = time.perf_counter() - self._read >= self.interval
            self._report(strategy, read_loss=last or due or strategy.device.type == "cpu")

    def _report(self, strategy: Any, *, read_loss: bool) -> None:
        self._reported = time.perf_counter()
        loss = float(strategy.loss.detach()) if read_loss else None
        self._read = self._reported if read_loss else self._read
        pace = self._images / max(self._reported - self._started, 1e-9)
        # Avalanche's clock ticks behind the plugins: in the epoch's own callbacks it still counts the ones before.
        self.listener.on_event(StepsDone(strategy.clock.train_exp_epochs + 1, self._steps, loss, pace))
