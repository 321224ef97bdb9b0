"""Batch normalization of a batch of one image, where a layer may see a single value per channel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn


@contextmanager
def lone_image(model: nn.Module) -> Iterator[None]:
    """Let batch normalization use its running statistics wherever it sees one value per channel, for one pass.

    PyTorch refuses such a batch: a variance needs two values. A layer that sees more values, as the earlier layers of a
    convolutional network do, uses the statistics of the image and updates its running ones, as always.

    Args:
        model: Model in training mode.

    Example:
        >>> import torch
        >>> with lone_image(norm := nn.BatchNorm1d(2)):
        ...     norm(torch.ones(1, 2)).shape
        torch.Size([1, 2])

    """
    switched: list[nn.Module] = []

    def before(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        values = inputs[0].numel() // max(1, inputs[0].shape[1])
        if module.training and values == 1:
            switched.append(module)
            module.training = False

    layers = [module for module in model.modules() if _has_running_statistics(module)]
    hooks = [layer.register_forward_pre_hook(before) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for module in switched:
            module.training = True


def _has_running_statistics(module: nn.Module) -> bool:
    return isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None
