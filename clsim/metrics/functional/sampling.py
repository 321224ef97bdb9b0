"""Which images take part where not all of them do: even over the classes, the same in every session."""

from __future__ import annotations

import torch
from torch import Tensor


def spread(labels: Tensor, count: int) -> Tensor:
    """``count`` positions at even steps through the images in order of class; all of them if there are no more.

    Args:
        labels: class ids ``(N,)``.
        count: how many.

    Returns:
        Positions in rising order; the numbers of two classes of the same size differ by 1 at most.

    Example:
        >>> spread(torch.tensor([0, 1, 0, 1, 0, 1]), 2)
        tensor([0, 1])

    """
    size = len(labels)
    if count >= size:
        return torch.arange(size)
    return labels.cpu().argsort(stable=True)[torch.arange(count) * size // count].sort().values


def arrivals(labels: Tensor, sessions: int, generator: torch.Generator) -> list[Tensor]:
    """Divides images evenly over sessions, class by class.

    Args:
        labels: class ids ``(N,)``.
        sessions: how many parts.
        generator: draws which image comes when.

    Returns:
        Positions, one tensor a session; together all of them. The sizes of two parts differ by 1 at most, and so do
        the numbers of images of a class in them.

    """
    drawn = torch.randperm(len(labels), generator=generator)
    ordered, order = labels.cpu()[drawn].sort(stable=True)
    alone = len(ordered.unique_consecutive()) == len(ordered)
    by_class = drawn if alone else drawn[order]  # items that are alone in their class come when they are drawn
    return [by_class[session::sessions] for session in range(sessions)]
