"""Other settings for the base session than for the few-shot sessions after it."""

from __future__ import annotations

from typing import Any

from avalanche.training.plugins import SupervisedPlugin

from clsim.utils.arguments import Count, Whole, checked


class BaseSession(SupervisedPlugin[Any]):
    """Sets epochs and batch size before each session.

    Args:
        epochs, train_mb_size: of session 0; every later session has the strategy's own.

    """

    @checked
    def __init__(self, *, epochs: Whole, train_mb_size: Count) -> None:
        super().__init__()
        self.base = (epochs, train_mb_size)
        self.later: tuple[int, int] | None = None

    def before_train_dataset_adaptation(self, strategy: Any, **kwargs: Any) -> None:
        """Before the loader is made and the epochs are counted."""
        if self.later is None:
            self.later = (strategy.train_epochs, strategy.train_mb_size)
        first = strategy.experience.current_experience == 0
        strategy.train_epochs, strategy.train_mb_size = self.base if first else self.later
