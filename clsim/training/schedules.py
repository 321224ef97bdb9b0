"""Learning rates as pure functions of the step."""

from __future__ import annotations

import math

from clsim.utils.errors import ArgumentError


def one_cycle(step: int, *, steps: int, warmup: float) -> float:
    r"""Return the fraction of the highest learning rate at a step: a linear rise, then a linear fall.

    :math:`\min\left(\frac{k + 1}{w n}, \frac{n - k}{(1 - w) n}\right)`, at most 1, for step :math:`k` of
    :math:`n` and warm-up :math:`w`.

    Args:
        step: Index of the step, from 0.
        steps: Number of steps of the whole session.
        warmup: Fraction of the steps, between 0 and 1, on which the rate rises.

    Source: the shape of cifar10-airbench (K. Jordan 2024) and of fast ImageNet recipes; after L. N. Smith's
    "super-convergence" (arXiv 1708.07120).

    Example:
        >>> [one_cycle(k, steps=4, warmup=0.5) for k in range(4)]
        [0.5, 1.0, 1.0, 0.5]

    """
    return min(1.0, (step + 1) / (warmup * steps), (steps - step) / ((1 - warmup) * steps))


def warmup_cosine(
    step: int, *, max_lr: float, min_lr: float, warmup: int, cycle: int, rises_at_once: bool = False
) -> float:
    r"""Return the learning rate after a number of steps: a linear warm-up, then a cosine.

    :math:`\eta_k = \eta_{min} + (\eta_{max} - \eta_{min}) k / w` for :math:`k < w`, then
    :math:`\eta_{min} + (\eta_{max} - \eta_{min}) (1 + \cos(\pi (k - w) / (c - w))) / 2`, with period :math:`c`.

    Args:
        step: Index of the step, from 0.
        max_lr: Highest rate :math:`\eta_{max}`.
        min_lr: Lowest rate :math:`\eta_{min}`.
        warmup: Number of steps :math:`w` of the linear part.
        cycle: Number of steps :math:`c` of a whole cycle, warm-up included.
        rises_at_once: Whether step 0 is already one step up: :math:`(k + 1) / w` in place of :math:`k / w` (OCA, FCT).

    Raises:
        ArgumentError: ``cycle`` is 0.

    Source: CPE-CLIP takes this schedule from katsura-jp's ``CosineAnnealingWarmupRestarts`` and steps it once an
    epoch. With 5 epochs and a warm-up of 50 the rate never comes near ``max_lr``.

    Example:
        >>> [round(warmup_cosine(k, max_lr=0.1, min_lr=0.001, warmup=50, cycle=200), 5) for k in range(3)]
        [0.001, 0.00298, 0.00496]

    """
    if not cycle:
        raise ArgumentError("warmup_cosine: cycle: must be at least 1, got 0")
    step %= cycle
    if step < warmup:
        return min_lr + (max_lr - min_lr) * (step + rises_at_once) / warmup
    return min_lr + (max_lr - min_lr) * (1 + math.cos(math.pi * (step - warmup) / (cycle - warmup))) / 2
