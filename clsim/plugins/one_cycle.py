"""A learning rate that rises once and falls to zero by the last step of the session."""

from __future__ import annotations

from typing import Any

from avalanche.training.plugins import SupervisedPlugin

from clsim.utils.arguments import Between, NotNegative, checked


def one_cycle(step: int, *, steps: int, warmup: float) -> float:
    r"""Fraction of the highest rate at ``step`` of ``steps``: up in a straight line, then down in another.

    :math:`\min\left(\frac{k + 1}{w n}, \frac{n - k}{(1 - w) n}\right)`, at most 1, for step :math:`k` of
    :math:`n` and warm-up :math:`w`.

    Args:
        step: from 0.
        steps: of the whole session.
        warmup: fraction of the steps, between 0 and 1.

    Source: the shape of cifar10-airbench (K. Jordan 2024) and of fast ImageNet recipes; after L. N. Smith's
    "super-convergence" (arXiv 1708.07120).

    Example:
        >>> [one_cycle(k, steps=4, warmup=0.5) for k in range(4)]
        [0.5, 1.0, 1.0, 0.5]

    """
    return min(1.0, (step + 1) / (warmup * steps), (steps - step) / ((1 - warmup) * steps))


class OneCycle(SupervisedPlugin[Any]):
    """Sets ``max_lr * one_cycle(...)`` before every step, one cycle a session.

    Args:
        max_lr: highest rate of the base session.
        later_lr: highest rate of every later session.
        warmup: fraction of a session's steps on the way up.

    """

    @checked
    def __init__(self, *, max_lr: NotNegative, later_lr: NotNegative, warmup: Between = 0.15) -> None:
        super().__init__()
        self.max_lr = max_lr
        self.later_lr = later_lr
        self.warmup = warmup
        self._step = self._steps = 0

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Counts the session's steps."""
        self._step = 0
        self._steps = strategy.train_epochs * len(strategy.dataloader)

    def before_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        """Sets the rate of this step."""
        highest = self.max_lr if strategy.experience.current_experience == 0 else self.later_lr
        rate = highest * one_cycle(self._step, steps=self._steps, warmup=self.warmup)
        for group in strategy.optimizer.param_groups:
            group["lr"] = rate
        self._step += 1
