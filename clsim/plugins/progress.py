"""Tells a listener how far training has come, without slowing it down."""

from __future__ import annotations

import time
from typing import Any, Protocol

from avalanche.training.plugins import SupervisedPlugin

from clsim.training.loaders import length
from clsim.utils.arguments import NotNegative, checked


class Listener(Protocol):
    """Whoever wants to know; a reporter of :mod:`clsim.report` is one."""

    def session_started(self, session: int, new_classes: int, images: int, epochs: int, steps: int) -> None:
        """A session begins: ``steps`` optimiser steps over all its ``epochs``."""

    def progress(self, epoch: int, step: int, loss: float | None, images_per_second: float) -> None:
        """``step`` steps of the session are done, in the ``epoch``-th epoch."""


class Progress(SupervisedPlugin[Any]):
    """Tells a :class:`Listener` a few times a second; stands last in the list of plugins, where all is settled.

    On an accelerator the loss is read at the end of an epoch, since reading it waits for the device: not of every epoch
    where they are shorter than the interval, but of the last. On the CPU it costs nothing and is read each time.

    Args:
        listener: is told.
        interval: seconds between two reports.

    """

    @checked
    def __init__(self, listener: Listener, interval: NotNegative = 0.2) -> None:
        super().__init__()
        self.listener = listener
        self.interval = interval
        self._images = self._steps = 0
        self._started = self._told = self._read = 0.0

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Starts counting anew."""
        self._images = self._steps = 0
        self._started = self._told = self._read = time.perf_counter()
        session = strategy.experience
        steps = length(strategy.dataloader)
        if steps is None:  # about as many as a loader of the session's images has
            steps = -(-len(session.dataset) // strategy.train_mb_size)
        self.listener.session_started(
            session.current_experience,
            len(set(session.classes_in_this_experience) - set(session.previous_classes)),
            len(session.dataset),
            strategy.train_epochs,
            strategy.train_epochs * steps,
        )

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        """Counts, and tells if it is time to."""
        self._images += len(strategy.mb_y)
        # Not counted here: a session that is resumed has steps behind it. The clock ticks behind the plugins.
        self._steps = strategy.clock.train_exp_iterations + 1
        if time.perf_counter() - self._told >= self.interval:
            self._tell(strategy, read_loss=strategy.device.type == "cpu")

    def after_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
        """Tells, with the loss of the last step."""
        if self._steps:
            last = strategy.clock.train_exp_epochs + 1 >= strategy.train_epochs
            due = time.perf_counter() - self._read >= self.interval
            self._tell(strategy, read_loss=last or due or strategy.device.type == "cpu")

    def _tell(self, strategy: Any, *, read_loss: bool) -> None:
        self._told = time.perf_counter()
        loss = float(strategy.loss.detach()) if read_loss else None
        self._read = self._told if read_loss else self._read
        pace = self._images / max(self._told - self._started, 1e-9)
        # Avalanche's clock ticks behind the plugins: in the epoch's own callbacks it still counts the ones before.
        self.listener.progress(strategy.clock.train_exp_epochs + 1, self._steps, loss, pace)
