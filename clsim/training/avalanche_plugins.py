"""Uses of Avalanche's plugins that have no effect, and say nothing of it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import torch
from avalanche.training.plugins import LRSchedulerPlugin, SynapticIntelligencePlugin
from torch.optim import Optimizer

from clsim.utils.errors import UserError


def check_plugins(plugins: Iterable[Any], optimizer: Optimizer, device: torch.device) -> None:
    """Check that Avalanche's plugins do something where the strategy trains.

    Args:
        plugins: Plugins of a strategy.
        optimizer: Optimizer of the present session.
        device: Device of the model.

    Raises:
        UserError: A learning-rate scheduler was made for another optimizer.

    """
    for plugin in plugins:
        if isinstance(plugin, LRSchedulerPlugin):
            _check_scheduler(plugin.scheduler, optimizer)
        elif isinstance(plugin, SynapticIntelligencePlugin) and device.type == "cpu":
            # Its copies of the weights share their memory with the weights: between two steps none has moved.
            warnings.warn(
                "Avalanche's SynapticIntelligencePlugin has no effect on a CPU: it finds every weight unimportant",
                stacklevel=2,
            )


def _check_scheduler(scheduler: Any, optimizer: Optimizer) -> None:
    if getattr(scheduler, "optimizer", optimizer) is not optimizer:
        raise UserError(
            f"LRSchedulerPlugin steps {type(scheduler).__name__} for an optimizer that does not train",
            fix="give Strategy that optimizer itself, not a function that makes one for every session",
        )
