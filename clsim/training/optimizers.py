"""Optimizers over the parameters that want a gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch.nn import Parameter
from torch.optim import SGD, Optimizer

MakeOptimizer = Callable[[Iterable[Parameter]], Optimizer]


def update_parameters(optimizer: Optimizer, trainable: Sequence[Parameter]) -> None:
    """Make an optimizer hold exactly the trainable parameters; those that stay keep their state.

    Args:
        optimizer: Optimizer to change in place. New parameters join its first group.
        trainable: Parameters that want a gradient.

    """
    wanted = {id(parameter) for parameter in trainable}
    present: set[int] = set()
    for group in optimizer.param_groups:
        group["params"] = [parameter for parameter in group["params"] if id(parameter) in wanted]
        present.update(map(id, group["params"]))
    optimizer.param_groups[0]["params"] += [p for p in trainable if id(p) not in present]
    for gone in [parameter for parameter in optimizer.state if id(parameter) not in wanted]:
        del optimizer.state[gone]  # the momentum would keep a replaced model alive


def empty_optimizer() -> Optimizer:
    """Return an optimizer of nothing, for templates that insist on one."""
    return SGD([torch.zeros(0, requires_grad=True)], lr=0.0)
