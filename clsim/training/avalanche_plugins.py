"""Checks of Avalanche's plugins that would silently have no effect, and their view of a model's features."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import torch
from avalanche.training.plugins import LRSchedulerPlugin, SynapticIntelligencePlugin
from avalanche.training.plugins.feature_distillation import FeatureDistillationPlugin
from torch.optim import Optimizer

from clsim.utils.errors import UserError


def check_plugins(plugins: Iterable[Any], optimizer: Optimizer, device: torch.device) -> None:
    """Check that Avalanche's plugins have an effect.

    Args:
        plugins: Plugins of a strategy.
        optimizer: Optimizer of the present session.
        device: Device of the model.

    Raises:
        UserError: A learning-rate scheduler belongs to another optimizer.

    """
    for plugin in plugins:
        if isinstance(plugin, LRSchedulerPlugin):
            _check_scheduler(plugin.scheduler, optimizer)
        elif isinstance(plugin, SynapticIntelligencePlugin) and device.type == "cpu":
            # Its copies share memory with the weights, so no weight ever seems to move.
            warnings.warn(
                "Avalanche's SynapticIntelligencePlugin has no effect on a CPU: it finds every weight unimportant",
                stacklevel=2,
            )


def reads_model_features(plugins: Iterable[Any]) -> bool:
    """Return whether a plugin of Avalanche looks for ``model.features`` after a forward pass."""
    return any(isinstance(plugin, FeatureDistillationPlugin) for plugin in plugins)


def _check_scheduler(scheduler: Any, optimizer: Optimizer) -> None:
    if getattr(scheduler, "optimizer", optimizer) is not optimizer:
        raise UserError(
            f"LRSchedulerPlugin steps a {type(scheduler).__name__} whose optimizer does not train the model",
            fix="pass that optimizer to Strategy, not a function that makes one for every session",
        )
