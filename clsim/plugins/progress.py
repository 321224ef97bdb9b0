"""Progress of the training, sent to a listener without slowing the training down."""

from __future__ import annotations

import time
from typing import Any, ClassVar, Protocol

from avalanche.training.plugins import SupervisedPlugin

from clsim.plugins.state import AttributeState
from clsim.training.loaders import length
from clsim.training.phases import Phase
from clsim.training.session_plan import session_steps
from clsim.utils.arguments import NotNegative, checked
from clsim.utils.template import Template
from clsim.utils.training_events import SessionStarted, StepsDone


class TrainingListener(Protocol):
    """Receiver of the events of training."""

    def on_event(self, event: SessionStarted | StepsDone) -> None:
        """Receive one event."""


class Progress(AttributeState, SupervisedPlugin[Any]):
    """Sends the progress of training to a listener a few times a second.

    Reading the loss waits for an accelerator. There it is read at the end of an epoch, of short epochs only once in an
    interval, and in any case of the last one. On the CPU reading costs nothing, so every report has the loss.

    Args:
        listener: Listener that receives the events.
        interval: Seconds between two reports.

    Example:
        >>> from torch import nn
        >>> from clsim.data.datasets.shapes import shapes
        >>> from clsim.streams import incremental
        >>> from clsim.training import Strategy
        >>> class Printer:
        ...     def on_event(self, event):
        ...         print(event)
        >>> strategy = Strategy(model=nn.Flatten(), train_epochs=0, plugins=[Progress(Printer())])
        >>> stream = incremental(shapes(4, train=5, test=1), base_classes=2, ways=2)
        >>> _ = strategy.train(stream.train_stream[0], eval_streams=[])
        SessionStarted(session=0, new_classes=2, images=10, epochs=0, steps=0)

    """

    phase: ClassVar[Phase] = Phase.PROGRESS
    state_names: ClassVar[tuple[str, ...]] = ("_steps",)

    @checked
    def __init__(self, listener: TrainingListener, interval: NotNegative = 0.2) -> None:
        super().__init__()
        self.listener = listener
        self.interval = interval
        self._images = self._steps = 0
        self._started = self._reported = self._read = 0.0

    def before_training_exp(self, strategy: Template, **kwargs: Any) -> None:
        """Send the extent of the session."""
        self._images = self._steps = 0
        self._started = self._reported = self._read = time.perf_counter()
        session = strategy.experience
        if length(strategy.dataloader) is not None:
            steps = session_steps(strategy)
        else:  # assume the batches of a loader of the session's images
            steps = strategy.train_epochs * -(-len(session.dataset) // strategy.train_mb_size)
        begun = SessionStarted(
            session=session.current_experience,
            new_classes=len(set(session.classes_in_this_experience) - set(session.previous_classes)),
            images=len(session.dataset),
            epochs=strategy.train_epochs,
            steps=steps,
        )
        self.listener.on_event(begun)

    def after_training_iteration(self, strategy: Template, **kwargs: Any) -> None:
        """Count, and report if it is time."""
        self._images += len(strategy.mb_y)
        # From the clock, which knows the steps before a resume. It ticks behind the plugins.
        self._steps = strategy.clock.train_exp_iterations + 1
        if time.perf_counter() - self._reported >= self.interval:
            self._report(strategy, read_loss=strategy.device.type == "cpu")

    def after_training_epoch(self, strategy: Template, **kwargs: Any) -> None:
        """Report the loss of the last step."""
        if self._steps:
            last = strategy.clock.train_exp_epochs + 1 >= strategy.train_epochs
            due = time.perf_counter() - self._read >= self.interval
            self._report(strategy, read_loss=last or due or strategy.device.type == "cpu")

    def _report(self, strategy: Template, *, read_loss: bool) -> None:
        self._reported = time.perf_counter()
        loss = float(strategy.loss.detach()) if read_loss else None
        self._read = self._reported if read_loss else self._read
        pace = self._images / max(self._reported - self._started, 1e-9)
        # Avalanche's clock ticks behind the plugins: it still counts the epochs before this one.
        self.listener.on_event(StepsDone(strategy.clock.train_exp_epochs + 1, self._steps, loss, pace))
