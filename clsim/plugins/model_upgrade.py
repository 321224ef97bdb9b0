"""In every session but the first a new model takes the place of the old one, which stays at hand, frozen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from avalanche.training.plugins import SupervisedPlugin
from torch import nn


class ModelUpgrade(SupervisedPlugin[Any]):
    """Starts every session after the first with a new model.

    Put before the plugins that ask for the old model.

    Args:
        make: the number of the upgrade, from 1, to a new model.

    Attributes:
        old: the model of the session before, frozen and in evaluation mode, while the new one learns; ``None``
            in the first session and between sessions.

    """

    def __init__(self, make: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.make = make
        self.old: nn.Module | None = None

    def before_train_dataset_adaptation(self, strategy: Any, **kwargs: Any) -> None:
        """Changes the model, in time for the optimiser to be made for the new one."""
        upgrade = strategy.experience.current_experience
        if upgrade == 0:
            return
        strategy.model.zero_grad(set_to_none=True)
        self.old = strategy.model.eval().requires_grad_(False)
        strategy.model = self.make(upgrade).to(strategy.device).train()

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """The old model has done its work."""
        self.old = None
