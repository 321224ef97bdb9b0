"""Class-balanced selection and splits of images."""

from __future__ import annotations

import torch
from torch import Tensor


def sample_evenly(labels: Tensor, count: int) -> Tensor:
    """Return ``count`` positions spaced evenly through the images sorted by class; all if there are no more.

    Args:
        labels: Class ids, ``(N,)``.
        count: Number of positions.

    Returns:
        Positions in ascending order. Classes of equal size differ by at most 1 in the number sampled.

    Example:
        >>> sample_evenly(torch.tensor([0, 1, 0, 1, 0, 1]), 2)
        tensor([0, 1])

    """
    size = len(labels)
    if count >= size:
        return torch.arange(size)
    return labels.cpu().argsort(stable=True)[torch.arange(count) * size // count].sort().values


def split_evenly(labels: Tensor, sessions: int, generator: torch.Generator) -> list[Tensor]:
    """Split images at random over sessions, balanced by class.

    Args:
        labels: Class ids, ``(N,)``.
        sessions: Number of parts.
        generator: Generator of the random order.

    Returns:
        Positions for each session; together they cover all images. Parts differ by at most 1 in size, and by at most
        1 in the number of images of any class.

    Example:
        >>> parts = split_evenly(torch.tensor([0, 0, 1, 1]), 2, torch.Generator().manual_seed(0))
        >>> [sorted((part // 2).tolist()) for part in parts]  # one image of each class
        [[0, 1], [0, 1]]

    """
    drawn = torch.randperm(len(labels), generator=generator)
    ordered, order = labels.cpu()[drawn].sort(stable=True)
    all_distinct = len(ordered.unique_consecutive()) == len(ordered)
    # Without classes to balance the drawn order itself is split: sorting by label would undo the draw.
    by_class = drawn if all_distinct else drawn[order]
    return [by_class[session::sessions] for session in range(sessions)]
