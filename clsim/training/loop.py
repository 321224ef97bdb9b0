"""The loops of the training template: sessions, epochs and minibatches, with resuming."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from torch import Tensor

from clsim.training.avalanche_plugins import check_plugins, reads_model_features
from clsim.training.budget import epochs_of_images, epochs_of_steps, extent_of, repeated
from clsim.training.callbacks import EvaluationCallbacks, TrainingCallbacks
from clsim.training.flops import FlopTally
from clsim.training.forward import ForwardPass
from clsim.training.loaders import length
from clsim.training.resident import ResidentData
from clsim.training.session_plan import AsksPlanners, SessionPlan, SessionPlanner, apply_plan, merge_plans
from clsim.utils import distributed
from clsim.utils.rng_state import loader_state, set_loader_state
from clsim.utils.template import Experience


class ResumePoint(NamedTuple):
    """A point within a session from which training resumes.

    Attributes:
        epoch: Index of the epoch, from 0.
        step: Number of iterations of the epoch that are done.
        loader_state: State of the loader, see :func:`~clsim.utils.rng_state.loader_state`.
        restore: Function that restores model, optimizer, plugins and generators.

    """

    epoch: int
    step: int
    loader_state: Any
    restore: Callable[[], None]


class TrainingLoop(AsksPlanners, ResidentData):
    """Template that calls only the plugins that listen, and can resume within an epoch."""

    passes: ForwardPass
    trains: bool
    epoch: int
    step: int
    images_trained: int
    train_flops: FlopTally
    eval_flops: FlopTally
    after_step: Callable[[], None] | None
    resume_point: ResumePoint | None
    loader_state: Any
    _planned: SessionPlan
    _replaced: SessionPlan
    _in_processes: bool
    _publishes_features: bool
    _zero: tuple[Tensor, int] | None

    def session_plan(self, session: Experience) -> SessionPlan:
        """Return epochs and batch size of a session, as plugins plan them or else the strategy's own.

        Args:
            session: Experience of the stream.

        Raises:
            ArgumentError: Two plugins plan different values.

        """
        present = SessionPlan(self.train_epochs, self.train_mb_size)
        choices = zip(self._merged_plan(session), self._replaced, present, strict=True)
        return SessionPlan(*(next((value for value in each if value is not None), None) for each in choices))

    @property
    def session_steps(self) -> int | None:
        """Number of steps of the present session: those of its budget, or of all epochs; None if it is not known."""
        steps = self._steps_by_epoch()
        batches = length(self.dataloader)
        if steps is not None:
            return sum(steps)
        return None if batches is None else self.train_epochs * batches

    def _steps_by_epoch(self) -> list[int] | None:
        """Return the steps of each epoch of the session, None without a budget or an optimizer."""
        plan = self._planned
        if not self.trains or (plan.steps is None and plan.images is None):
            return None
        if plan.steps is not None:
            return epochs_of_steps(plan.steps, self.train_epochs)
        whole = extent_of(self.dataloader, length(self.dataloader), self.train_mb_size)
        return epochs_of_images(plan.images or 0, self.train_epochs, whole)

    def _merged_plan(self, session: Experience) -> SessionPlan:
        return merge_plans([plugin for plugin in self.plugins if isinstance(plugin, SessionPlanner)], session)

    def _restore_own_plan(self) -> None:
        apply_plan(self, self._replaced)
        self._replaced = SessionPlan()

    def _before_eval(self, **kwargs: Any) -> None:
        self.eval_flops.begin()
        super()._before_eval(**kwargs)

    def _before_training_exp(self, **kwargs: Any) -> None:
        self.images_trained, self._given = 0, self.experience.dataset
        self.train_flops.begin()
        self._restore_own_plan()  # after a session that failed
        self._planned = self._merged_plan(self.experience)
        self._replaced = apply_plan(self, self._planned)
        super()._before_training_exp(**kwargs)
        check_plugins(self.plugins, self.optimizer, self.device)

    def _train_exp(self, experience: Any, eval_streams: Any = None, **kwargs: Any) -> None:
        """Run all epochs of a session, or the rest of them when it is resumed."""
        first = 0
        if self.resume_point is not None:
            first = self.resume_point.epoch
            # Restored here for the callbacks of the epoch, which read the clock, and once more behind them: the
            # restored state already contains their effect.
            self.resume_point.restore()
        for self.epoch in range(first, self.train_epochs):
            self._before_training_epoch(**kwargs)
            if self._stop_training:
                self._stop_training: bool = False
                break
            self.training_epoch(**kwargs)
            self._after_training_epoch(**kwargs)

    def _after_training_exp(self, **kwargs: Any) -> None:
        self.passes.stop()
        super()._after_training_exp(**kwargs)
        self._restore_own_plan()
        if self.experience.dataset is not self._given:  # a plugin changed it, and its next run would find less
            self.experience.dataset = self._given

    def training_epoch(self, **kwargs: Any) -> None:
        """Run one pass over the loader, with Avalanche's order of callbacks."""
        self.passes.start(self.model, self.device, self.session_steps or 0)
        callbacks = TrainingCallbacks.of(self.plugins)
        self._start_epoch()
        self.train_flops.begin_epoch()
        for self.mbatch in self._batches():
            if self._stop_training:
                break
            self._train_minibatch(callbacks, kwargs)
            self.step += 1
            if self.after_step is not None:
                self.after_step()

    def _train_minibatch(self, callbacks: TrainingCallbacks, kwargs: dict[str, Any]) -> None:
        """Take one step and call the listeners that follow it."""
        step = partial(self._take_step, callbacks, kwargs)
        self.train_flops.run(len(self.mbatch[1]), step, countable=self._countable)
        self.images_trained += self.mbatch[1].shape[0]
        for call in callbacks.after_training_iteration:
            call(self, **kwargs)

    def _take_step(self, callbacks: TrainingCallbacks, kwargs: dict[str, Any]) -> None:
        """Take one step of the optimizer on one batch."""
        self._unpack_minibatch()
        for call in callbacks.before_training_iteration:
            call(self, **kwargs)
        self.optimizer.zero_grad()
        self.loss, version = self._zero_loss()
        zero = self.loss

        for call in callbacks.before_forward:
            call(self, **kwargs)
        self.mb_output = self.forward()
        for call in callbacks.after_forward:
            call(self, **kwargs)

        loss = self.criterion()
        # A sum is computed only if there is something to add, or if a plugin may add in place: the criterion needs its
        # own result for the gradient.
        untouched = self.loss is zero and zero._version == version
        self.loss = loss if untouched and not callbacks.before_backward else self.loss + loss

        for call in callbacks.before_backward:
            call(self, **kwargs)
        self.backward()
        for call in callbacks.after_backward:
            call(self, **kwargs)

        for call in callbacks.before_update:
            call(self, **kwargs)
        self.optimizer_step()
        for call in callbacks.after_update:
            call(self, **kwargs)

    def _passes(self) -> Iterator[Any]:
        """Return the batches of one pass over the loader, or as many as the epoch's share of the budget."""
        steps = self._steps_by_epoch()
        return iter(self.dataloader) if steps is None else islice(repeated(self.dataloader), steps[self.epoch])

    def eval_epoch(self, **kwargs: Any) -> None:
        """Run one pass over the loader without gradients."""
        callbacks = EvaluationCallbacks.of(self.plugins)
        self._start_epoch()
        for self.mbatch in self.dataloader:
            step = partial(self._eval_minibatch, callbacks, kwargs)
            self.eval_flops.run(len(self.mbatch[1]), step, countable=self._countable)

    def _eval_minibatch(self, callbacks: EvaluationCallbacks, kwargs: dict[str, Any]) -> None:
        """Evaluate one batch."""
        self._unpack_minibatch()
        for call in callbacks.before_eval_iteration:
            call(self, **kwargs)
        for call in callbacks.before_eval_forward:
            call(self, **kwargs)
        self.mb_output = self.forward()
        for call in callbacks.after_eval_forward:
            call(self, **kwargs)
        self.loss = self.criterion()
        for call in callbacks.after_eval_iteration:
            call(self, **kwargs)

    @property
    def _countable(self) -> bool:
        """Whether the operations of a step can be counted."""
        return self.passes.how == "eager" and not self._in_processes

    def _start_epoch(self) -> None:
        """Read once what cannot change within an epoch."""
        self._in_processes = distributed.is_distributed()
        self._publishes_features = reads_model_features(self.plugins)
        self._zero = None

    def _zero_loss(self) -> tuple[Tensor, int]:
        """Return a loss of 0 and its version; the same one as before, unless a plugin added to it in place."""
        if self._zero is None or self._zero[0]._version != self._zero[1]:
            made = self._make_empty_loss()
            self._zero = made, made._version
        return self._zero

    def _batches(self) -> Iterator[Any]:
        """Return the batches of an epoch, or the rest of them when it is resumed."""
        point, self.resume_point, self.step = self.resume_point, None, 0
        if point is None:
            if self.after_step is not None:
                self.loader_state = loader_state(self.dataloader, self.device)
            return self._passes()
        self.loader_state = point.loader_state
        set_loader_state(self.dataloader, point.loader_state, self.device)
        batches = self._passes()
        for _ in range(point.step):
            next(batches)
        self.step = point.step
        point.restore()
        return batches
