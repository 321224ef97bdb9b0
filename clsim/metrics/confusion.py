"""What the images of every class were taken for."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Confused(NamedTuple):
    """Answers to the test images of one class.

    Attributes:
        label: id of the class.
        images: test images of it.
        correct: of these named right.
        mistaken_for: class id and number of images of every wrong answer, the most frequent first.

    """

    label: int
    images: int
    correct: int
    mistaken_for: list[tuple[int, int]]

    @property
    def accuracy(self) -> float:
        """Share of its images that are named right."""
        return self.correct / self.images


def confusion(labels: Tensor, answers: Tensor) -> list[Confused]:
    """The answers counted, class by class; classes without images are left out.

    Args:
        labels: class ids ``(N,)``.
        answers: the class that each image was taken for, ``(N,)``.

    Example:
        >>> confusion(torch.tensor([0, 0, 0, 2]), torch.tensor([0, 2, 2, 2]))[0]
        Confused(label=0, images=3, correct=1, mistaken_for=[(2, 2)])

    """
    pairs, counts = torch.stack([labels, answers]).unique(dim=1, return_counts=True)
    found: dict[int, dict[int, int]] = {}
    for (label, answer), number in zip(pairs.T.tolist(), counts.tolist(), strict=True):
        found.setdefault(label, {})[answer] = number
    return [
        Confused(
            label,
            sum(given.values()),
            given.get(label, 0),
            sorted(((a, n) for a, n in given.items() if a != label), key=lambda wrong: (-wrong[1], wrong[0])),
        )
        for label, given in sorted(found.items())
    ]


def worst_first(classes: list[Confused]) -> list[Confused]:
    """The classes in the order of their accuracy; those that are alike by their ids."""
    return sorted(classes, key=lambda each: (each.accuracy, each.label))
