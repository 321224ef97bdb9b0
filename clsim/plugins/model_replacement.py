"""Models that arrive from elsewhere take the place of the one in service, before a session or in the middle of it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor

from clsim.plugins.session_images import outputs_of, session_batches
from clsim.streams.replacements import Replacement
from clsim.utils.seeding import initialised


@dataclass(frozen=True)
class Performed:
    """A replacement that took place.

    Attributes:
        model: name of the model that arrived.
        after_iterations: of the session's iterations, how many the model before it had learnt; 0 before the session.
        seconds: since the session's training began.
        projection: into the simplex: ``own``, which it was trained with, or ``fitted`` here; ``None`` where the
            model in service has none.

    """

    model: str
    after_iterations: int
    seconds: float
    projection: Literal["own", "fitted"] | None = None

    def record(self) -> dict[str, Any]:
        """As it stands in ``results.json``."""
        return asdict(self)


class ModelReplacement(SupervisedPlugin[Any]):
    """Performs the replacements that the session carries; the session goes on with the model that arrived.

    The model must have ``replace(arrival)``, as :class:`~clsim.models.StationaryClassifier` has. One that arrives
    without a projection into the simplex gets one by ridge regression on the session's images and on ``memory``.

    In the middle of a session the optimiser is made anew for the new parameters, without momentum, and takes over the
    present learning rate; the schedule, the epoch and the loader go on where they are. Plugins that hold on to the old
    model hear of it by a method ``model_replaced(strategy)``.

    Put after the plugin that brings the loader, whose length it asks for.

    Args:
        memory: a :class:`~clsim.plugins.Rehearsal`, whose images help to fit a projection.
        memory_format: of the new parameters, for instance ``torch.channels_last``.

    Attributes:
        performed: the replacements of the present or last session, in their order.

    """

    def __init__(self, memory: Any = None, memory_format: torch.memory_format = torch.preserve_format) -> None:
        super().__init__()
        self.memory = memory
        self.memory_format = memory_format
        self.performed: list[Performed] = []
        self._due: list[tuple[int, Replacement]] = []
        self._iterations = 0
        self._started = 0.0

    def before_train_dataset_adaptation(self, strategy: Any, **kwargs: Any) -> None:
        """Replacements before the session, in time for the optimiser to be made for what arrived."""
        self._started, self._iterations, self.performed = time.perf_counter(), 0, []
        for replacement in self._of_session(strategy):
            if replacement.before_session:
                self._perform(strategy, replacement)

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Counts the iterations after which the others are due."""
        total = strategy.train_epochs * len(strategy.dataloader)
        later = [replacement for replacement in self._of_session(strategy) if not replacement.before_session]
        self._due = sorted(
            ((replacement.iteration(total), replacement) for replacement in later), key=lambda due: due[0]
        )

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        """Replacements in the middle of the session."""
        self._iterations += 1
        while self._due and self._due[0][0] <= self._iterations:
            self._perform_amid(strategy, self._due.pop(0)[1])

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """A replacement that the session was too short for takes place at its end."""
        for iteration, replacement in self._due:
            warnings.warn(
                f"session {strategy.experience.current_experience} has {self._iterations} iterations: "
                f"{replacement.model.name} was to arrive after {iteration} and arrives at its end",
                stacklevel=2,
            )
            self._perform_amid(strategy, replacement)
        self._due = []

    def rebuild(self, strategy: Any) -> None:
        """The structure of the session's last model, see :class:`~clsim.experiment.checkpoint.snapshots.Snapshots`."""
        for replacement in self._of_session(strategy):
            strategy.model.replace(replacement.model)
            strategy.model.to(strategy.device, memory_format=self.memory_format)

    def rebuild_amid(self, strategy: Any, state: dict[str, Any]) -> None:
        """Performs what was performed amid the session, before its state is given back."""
        while len(self.performed) < len(state["performed"]):
            self._perform_amid(strategy, self._due.pop(0)[1])

    def state_dict(self) -> dict[str, Any]:
        """How far the session has come, and what has arrived in it."""
        return {"iterations": self._iterations, "performed": [each.record() for each in self.performed]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What :meth:`state_dict` gave."""
        self._iterations = state["iterations"]
        self.performed = [Performed(**each) for each in state["performed"]]

    def _of_session(self, strategy: Any) -> tuple[Replacement, ...]:
        return tuple(getattr(strategy.experience, "replacements", ()))

    def _perform_amid(self, strategy: Any, replacement: Replacement) -> None:
        rates = [group["lr"] for group in strategy.optimizer.param_groups]
        self._perform(strategy, replacement)
        strategy.optimizer.state.clear()
        strategy.make_optimizer(reset_optimizer_state=True, remove_params=True)
        for group, rate in zip(strategy.optimizer.param_groups, rates, strict=False):
            group["lr"] = rate
        for plugin in strategy.plugins:
            # Not called after_..., a name by which Avalanche would take it for an unknown callback of its own.
            if hear := getattr(plugin, "model_replaced", None):
                hear(strategy)

    def _perform(self, strategy: Any, replacement: Replacement) -> None:
        # A new head may be drawn, and the name alone is no stream of its own: the same model may come again.
        name = f"session {replacement.session} {self._iterations} {replacement.model.name}"
        headless = initialised(strategy, name, lambda: strategy.model.replace(replacement.model))
        strategy.model.to(strategy.device, memory_format=self.memory_format)
        simplex = hasattr(strategy.model, "fit_projection")
        if headless and simplex:
            if replacement.model.projection is not None:
                warnings.warn(
                    f"{replacement.model.name} was trained on a simplex of {len(replacement.model.projection) + 1} "
                    "vertices, the model in service has another: its projection is fitted anew",
                    stacklevel=2,
                )
            strategy.model.fit_projection(*outputs_of(strategy.model.backbone.eval(), self._images(strategy)))
        # What arrives, or was just fitted, may be in evaluation mode; Avalanche set the old model before this callback.
        strategy.model.train()
        seconds = time.perf_counter() - self._started
        projection: Literal["own", "fitted"] | None = ("fitted" if headless else "own") if simplex else None
        self.performed.append(Performed(replacement.model.name, self._iterations, seconds, projection))

    def _images(self, strategy: Any) -> Iterator[tuple[Tensor, Tensor]]:
        """What is at hand, not augmented."""
        yield from session_batches(strategy)
        if self.memory is not None:
            yield from self.memory.batches(strategy)
