"""What the base session has learnt and no later session may change."""

from __future__ import annotations

from typing import Any

from avalanche.training.plugins import SupervisedPlugin
from torch import nn

from clsim.utils.arguments import checked


class FreezeAfterBase(SupervisedPlugin[Any]):
    """Freezes a part of the model, its running statistics included, from the first session after the base on.

    Args:
        module: the part.

    """

    @checked
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def before_train_dataset_adaptation(self, strategy: Any, **kwargs: Any) -> None:
        """Before the optimiser is made, which takes only what wants a gradient."""
        if strategy.experience.current_experience > 0:
            self.module.requires_grad_(False)

    def before_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
        """Batch normalisation keeps its averages; an evaluation in between may have switched it back."""
        if strategy.experience.current_experience > 0:
            self.module.eval()
