"""Linear warm-up and cosine annealing of the learning rate, restarted in every session."""

from __future__ import annotations

import math
from typing import Any, Literal

from avalanche.training.plugins import SupervisedPlugin

from clsim.utils.arguments import NotNegative, Whole, checked
from clsim.utils.errors import ArgumentError


def warmup_cosine(
    step: int, *, max_lr: float, min_lr: float, warmup: int, cycle: int, rises_at_once: bool = False
) -> float:
    r"""Learning rate after ``step`` steps.

    :math:`\eta_k = \eta_{min} + (\eta_{max} - \eta_{min}) k / w` for :math:`k < w`, then
    :math:`\eta_{min} + (\eta_{max} - \eta_{min}) (1 + \cos(\pi (k - w) / (c - w))) / 2`, with period :math:`c`.

    Args:
        step: from 0.
        max_lr, min_lr: highest and lowest rate.
        warmup: steps ``w`` of the linear part.
        cycle: steps ``c`` of a whole cycle, warm-up included.
        rises_at_once: whether step 0 is one step up already, :math:`(k + 1) / w` for :math:`k / w` (OCA, FCT).

    Source: CPE-CLIP takes this schedule from katsura-jp's ``CosineAnnealingWarmupRestarts`` and steps it once an
    epoch, so that with 5 epochs of a warm-up of 50 the rate never comes near ``max_lr``.

    Example:
        >>> [round(warmup_cosine(k, max_lr=0.1, min_lr=0.001, warmup=50, cycle=200), 5) for k in range(3)]
        [0.001, 0.00298, 0.00496]

    """
    if not cycle:
        raise ArgumentError("warmup_cosine: cycle: must be at least 1, got 0")
    step %= cycle
    if step < warmup:
        return min_lr + (max_lr - min_lr) * (step + rises_at_once) / warmup
    return min_lr + (max_lr - min_lr) * (1 + math.cos(math.pi * (step - warmup) / (cycle - warmup))) / 2


class WarmupCosine(SupervisedPlugin[Any]):
    """Sets :func:`warmup_cosine` in every parameter group, from step 0 in every session.

    Args:
        every: ``epoch`` (as CPE-CLIP publishes it) or ``step``.
        max_lr, min_lr, warmup, cycle, rises_at_once: see :func:`warmup_cosine`.

    """

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

    def before_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
        """One step an epoch."""
        if self.every == "epoch":
            self._set(strategy, strategy.clock.train_exp_epochs)

    def before_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        """One step an iteration."""
        if self.every == "step":
            self._set(strategy, strategy.clock.train_exp_iterations)

    def _set(self, strategy: Any, step: int) -> None:
        rate = warmup_cosine(step, **self.settings)  # type: ignore[arg-type]
        for group in strategy.optimizer.param_groups:
            group["lr"] = rate
