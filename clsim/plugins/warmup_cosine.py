"""Linear warm-up and cosine annealing of the learning rate, restarted in every session."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from avalanche.training.plugins import SupervisedPlugin

from clsim.plugins.state import AttributeState
from clsim.training.schedules import warmup_cosine
from clsim.utils.arguments import NotNegative, Whole, checked
from clsim.utils.template import Template


class WarmupCosine(AttributeState, SupervisedPlugin[Any]):
    """Sets :func:`~clsim.training.schedules.warmup_cosine` in every parameter group, from step 0 in every session.

    Args:
        max_lr: Highest rate.
        min_lr: Lowest rate.
        warmup: Steps of the linear rise.
        cycle: Steps of a whole cycle, warm-up included.
        every: Unit of a step: ``epoch`` (as CPE-CLIP publishes it) or ``step``.
        rises_at_once: Whether step 0 is already one step up.

    Example:
        >>> WarmupCosine(max_lr=0.1, min_lr=0.001, warmup=50, cycle=200).every
        'epoch'

    """

    state_names: ClassVar[tuple[str, ...]] = ()

    @checked
    def __init__(
        self,
        *,
        max_lr: NotNegative,
        min_lr: NotNegative,
        warmup: Whole,
        cycle: Whole,
        every: Literal["epoch", "step"] = "epoch",
        rises_at_once: bool = False,
    ) -> None:
        super().__init__()
        self.settings = {
            "max_lr": max_lr,
            "min_lr": min_lr,
            "warmup": warmup,
            "cycle": cycle,
            "rises_at_once": rises_at_once,
        }
        self.every = every

    def before_training_epoch(self, strategy: Template, **kwargs: Any) -> None:
        """Set the rate of this epoch."""
        if self.every == "epoch":
            self._set(strategy, strategy.clock.train_exp_epochs)

    def before_training_iteration(self, strategy: Template, **kwargs: Any) -> None:
        """Set the rate of this step."""
        if self.every == "step":
            self._set(strategy, strategy.clock.train_exp_iterations)

    def _set(self, strategy: Template, step: int) -> None:
        rate = warmup_cosine(step, **self.settings)  # type: ignore[arg-type]
        for group in strategy.optimizer.param_groups:
            group["lr"] = rate
