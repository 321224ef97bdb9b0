"""SGD whose weight decay may leave out gains and biases."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from torch.nn import Parameter
from torch.optim import SGD

from clsim.utils.arguments import checked

Decayed = Literal["all", "matrices"]


@checked
def decayed_sgd(
    parameters: Iterable[Parameter], *, weight_decay: float, weight_decay_on: Decayed = "all", **settings: Any
) -> SGD:
    """Return SGD over ``parameters`` with weight decay on all of them or on matrices alone.

    Args:
        parameters: Parameters to optimize.
        weight_decay: Factor of the decay.
        weight_decay_on: Parameters that decay. ``matrices`` leaves out those of fewer than two dimensions: biases, and
            gains of normalization layers.
        settings: Further arguments of :class:`torch.optim.SGD`.

    Example:
        >>> from torch.nn import Linear
        >>> optimizer = decayed_sgd(Linear(2, 3).parameters(), weight_decay=0.1, weight_decay_on="matrices", lr=0.5)
        >>> [group["weight_decay"] for group in optimizer.param_groups]
        [0.1, 0.0]

    """
    if weight_decay_on == "all":
        return SGD(parameters, weight_decay=weight_decay, **settings)
    several = list(parameters)
    groups = [
        {"params": [each for each in several if each.ndim >= 2], "weight_decay": weight_decay},
        {"params": [each for each in several if each.ndim < 2], "weight_decay": 0.0},
    ]
    # A group without parameters would be an empty entry of every checkpoint.
    return SGD([group for group in groups if group["params"]], **settings)
