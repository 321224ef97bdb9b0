"""Learning rate that rises once and falls to zero by the last step of the session."""

from __future__ import annotations

from typing import Any, ClassVar

from avalanche.training.plugins import SupervisedPlugin

from clsim.plugins.state import AttributeState
from clsim.training.schedules import one_cycle
from clsim.training.session_plan import session_steps
from clsim.utils.arguments import Between, NotNegative, checked
from clsim.utils.template import Template


class OneCycle(AttributeState, SupervisedPlugin[Any]):
    """Sets ``max_lr * one_cycle(...)`` before every step, one cycle a session.

    Args:
        max_lr: Highest rate of the base session.
        later_lr: Highest rate of every later session.
        warmup: Fraction of a session's steps on which the rate rises.

    Example:
        >>> OneCycle(max_lr=0.4, later_lr=0.1).warmup
        0.15

    """

    state_names: ClassVar[tuple[str, ...]] = ("_step", "_steps")

    @checked
    def __init__(self, *, max_lr: NotNegative, later_lr: NotNegative, warmup: Between = 0.15) -> None:
        super().__init__()
        self.max_lr = max_lr
        self.later_lr = later_lr
        self.warmup = warmup
        self._step = self._steps = 0

    def before_training_exp(self, strategy: Template, **kwargs: Any) -> None:
        """Count the session's steps."""
        self._step = 0
        self._steps = session_steps(strategy)

    def before_training_iteration(self, strategy: Template, **kwargs: Any) -> None:
        """Set the rate of this step."""
        highest = self.max_lr if strategy.experience.current_experience == 0 else self.later_lr
        rate = highest * one_cycle(self._step, steps=self._steps, warmup=self.warmup)
        for group in strategy.optimizer.param_groups:
            group["lr"] = rate
        self._step += 1
