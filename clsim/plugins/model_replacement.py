"""Replacement of the model in service by models trained elsewhere, before a session or amid it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor

from clsim.models.protocols import FitsProjection, Replaceable, require
from clsim.plugins.protocols import HearsReplacement
from clsim.plugins.session_images import outputs_of, session_batches
from clsim.streams.replacements import Replacement
from clsim.streams.session import replacements_of
from clsim.training.loop import TrainingLoop
from clsim.training.phases import Phase
from clsim.training.session_plan import session_steps
from clsim.utils.seeding import initialized
from clsim.utils.template import Template

if TYPE_CHECKING:
    from clsim.plugins.rehearsal import Rehearsal


@dataclass(frozen=True)
class Performed:
    """A replacement that took place.

    Attributes:
        model: Name of the replacement model.
        after_iterations: Iterations of the session before it; 0 before the session.
        seconds: Seconds since the session's training began.
        projection: Projection into the simplex: ``own``, trained with the model, or ``fitted`` here; None where the
            model in service has none.

    """

    model: str
    after_iterations: int
    seconds: float
    projection: Literal["own", "fitted"] | None = None

    def record(self) -> dict[str, Any]:
        """Return the entry of ``results.json``."""
        return asdict(self)


class ModelReplacement(SupervisedPlugin[Any]):
    """Performs the replacements of a session, which continues with the replacement model.

    The model must be :class:`~clsim.models.protocols.Replaceable`, as :class:`~clsim.models.StationaryClassifier` is. A
    replacement model without a projection into the simplex gets one by ridge regression on the images of the session
    and of ``memory``.

    Amid a session the optimizer is updated for the new parameters, loses its momentum and keeps the present learning
    rate. Schedule, epoch and loader continue. Plugins that keep something of the old model implement
    :class:`~clsim.plugins.protocols.HearsReplacement`.

    Args:
        memory: Plugin whose remembered images help to fit a projection; None: the session's images alone.
        memory_format: Memory format of the new parameters, for instance ``torch.channels_last``.

    Attributes:
        performed: Replacements of the present or last session, in their order.

    Example:
        >>> ModelReplacement(memory_format=torch.channels_last).performed
        []

    """

    phase: ClassVar[Phase] = Phase.MODEL

    def __init__(
        self, memory: Rehearsal | None = None, memory_format: torch.memory_format = torch.preserve_format
    ) -> None:
        super().__init__()
        self.memory = memory
        self.memory_format = memory_format
        self.performed: list[Performed] = []
        self._due: list[tuple[int, Replacement]] = []
        self._iterations = 0
        self._started = 0.0

    def before_train_dataset_adaptation(self, strategy: Template, **kwargs: Any) -> None:
        """Perform the replacements before the session, in time for the optimizer."""
        self._started, self._iterations, self.performed = time.perf_counter(), 0, []
        for replacement in replacements_of(strategy.experience):
            if replacement.before_session:
                self._perform(strategy, replacement)

    def before_training_exp(self, strategy: Template, **kwargs: Any) -> None:
        """Compute the iterations after which the other replacements are due."""
        total = session_steps(strategy)
        later = [each for each in replacements_of(strategy.experience) if not each.before_session]
        self._due = sorted(((each.iteration(total), each) for each in later), key=lambda due: due[0])

    def after_training_iteration(self, strategy: Template, **kwargs: Any) -> None:
        """Perform the replacements that are due."""
        self._iterations += 1
        while self._due and self._due[0][0] <= self._iterations:
            self._perform_amid(strategy, self._due.pop(0)[1])

    def after_training_exp(self, strategy: Template, **kwargs: Any) -> None:
        """Perform the replacements for which the session was too short."""
        for iteration, replacement in self._due:
            warnings.warn(
                f"session {strategy.experience.current_experience}: replacement {replacement.model.name} is due after "
                f"iteration {iteration}, but the session has {self._iterations}; it takes place at the end",
                stacklevel=2,
            )
            self._perform_amid(strategy, replacement)
        self._due = []

    def rebuild(self, strategy: Template) -> None:
        """Make the structure of the session's last model, see :class:`~clsim.plugins.protocols.Rebuilds`."""
        for replacement in replacements_of(strategy.experience):
            require(strategy.model, Replaceable, self).replace(replacement.model)
            self._move(strategy)

    def rebuild_amid(self, strategy: Template, state: dict[str, Any]) -> None:
        """Repeat the replacements that took place amid the session."""
        while len(self.performed) < len(state["performed"]):
            self._perform_amid(strategy, self._due.pop(0)[1])

    def state_dict(self) -> dict[str, Any]:
        """Return the iterations of the session and its replacements so far."""
        return {"iterations": self._iterations, "performed": [each.record() for each in self.performed]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state of :meth:`state_dict`."""
        self._iterations = state["iterations"]
        self.performed = [Performed(**each) for each in state["performed"]]

    def _perform_amid(self, strategy: Template, replacement: Replacement) -> None:
        rates = [group["lr"] for group in strategy.optimizer.param_groups]
        self._perform(strategy, replacement)
        strategy.optimizer.state.clear()
        strategy.make_optimizer(reset_optimizer_state=True, remove_params=True)
        for group, rate in zip(strategy.optimizer.param_groups, rates, strict=False):
            group["lr"] = rate
        if isinstance(strategy, TrainingLoop):
            strategy.train_flops.forget()
        for plugin in strategy.plugins:
            if isinstance(plugin, HearsReplacement):
                plugin.model_replaced(strategy)

    def _perform(self, strategy: Template, replacement: Replacement) -> None:
        # A new head may be drawn at random. The model alone does not identify the draw: it may arrive twice.
        name = f"session {replacement.session} {self._iterations} {replacement.model.name}"
        model = require(strategy.model, Replaceable, self)
        headless = initialized(strategy, name, lambda: model.replace(replacement.model))
        self._move(strategy)
        simplex = isinstance(strategy.model, FitsProjection)
        if headless and isinstance(strategy.model, FitsProjection):
            if replacement.model.projection is not None:
                vertices = len(replacement.model.projection) + 1
                warnings.warn(
                    f"replacement {replacement.model.name} was trained on a simplex of {vertices} vertices, unlike the "
                    "model in service; its projection is fitted to the session's images",
                    stacklevel=2,
                )
            features = outputs_of(strategy.model.backbone.eval(), self._images(strategy))
            strategy.model.fit_projection(*features)
        # Avalanche set the mode before this callback, of the old model.
        strategy.model.train()
        seconds = time.perf_counter() - self._started
        projection: Literal["own", "fitted"] | None = ("fitted" if headless else "own") if simplex else None
        self.performed.append(Performed(replacement.model.name, self._iterations, seconds, projection))

    def _move(self, strategy: Template) -> None:
        strategy.model.to(strategy.device, memory_format=self.memory_format)  # type: ignore[call-overload]

    def _images(self, strategy: Template) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the available images, not augmented, or their features."""
        yield from session_batches(strategy, model=strategy.model)
        if self.memory is not None:
            yield from self.memory.batches(strategy, model=strategy.model)
