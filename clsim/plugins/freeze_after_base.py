"""Freezing of a part of the model after the base session."""

from __future__ import annotations

from typing import Any, ClassVar

from avalanche.training.plugins import SupervisedPlugin
from torch import nn

from clsim.plugins.state import AttributeState
from clsim.utils.arguments import checked
from clsim.utils.template import Template


class FreezeAfterBase(AttributeState, SupervisedPlugin[Any]):
    """Freezes a part of the model, its running statistics included, from the first session after the base on.

    Args:
        module: Part of the model to freeze.

    Example:
        >>> FreezeAfterBase(nn.Linear(2, 2)).module
        Linear(in_features=2, out_features=2, bias=True)

    """

    state_names: ClassVar[tuple[str, ...]] = ()

    @checked
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def before_train_dataset_adaptation(self, strategy: Template, **kwargs: Any) -> None:
        """Freeze before the optimizer is made, which receives only parameters that want a gradient."""
        if strategy.experience.current_experience > 0:
            self.module.requires_grad_(False)

    def before_training_epoch(self, strategy: Template, **kwargs: Any) -> None:
        """Freeze the statistics of batch normalization; an evaluation before may have switched the mode back."""
        if strategy.experience.current_experience > 0:
            self.module.eval()
