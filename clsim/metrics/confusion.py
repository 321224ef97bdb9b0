"""Confusions between classes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class ClassConfusion(NamedTuple):
    """Predictions for the test images of one class.

    Attributes:
        label: Class id.
        images: Number of test images.
        correct: Number of correct predictions.
        mistaken_for: Class id and number of images of each wrong prediction, the most frequent first.

    """

    label: int
    images: int
    correct: int
    mistaken_for: list[tuple[int, int]]

    @property
    def accuracy(self) -> float:
        """Fraction of correct predictions: the recall of the class."""
        return self.correct / self.images


def confusion_by_class(labels: Tensor, predictions: Tensor) -> list[ClassConfusion]:
    """Return the predictions counted by class, in order of class id. Classes without images are omitted.

    Args:
        labels: Class ids, ``(N,)``.
        predictions: Predicted class ids, ``(N,)``.

    Example:
        >>> confusion_by_class(torch.tensor([0, 0, 0, 2]), torch.tensor([0, 2, 2, 2]))[0]
        ClassConfusion(label=0, images=3, correct=1, mistaken_for=[(2, 2)])

    """
    pairs, counts = torch.stack([labels, predictions]).unique(dim=1, return_counts=True)
    found: dict[int, dict[int, int]] = {}
    for (label, prediction), number in zip(pairs.T.tolist(), counts.tolist(), strict=True):
        found.setdefault(label, {})[prediction] = number
    return [
        ClassConfusion(
            label,
            sum(given.values()),
            given.get(label, 0),
            sorted(((a, n) for a, n in given.items() if a != label), key=lambda wrong: (-wrong[1], wrong[0])),
        )
        for label, given in sorted(found.items())
    ]


def worst_first(classes: list[ClassConfusion]) -> list[ClassConfusion]:
    """Return classes in ascending order of accuracy, then of class id.

    Example:
        >>> classes = confusion_by_class(torch.tensor([0, 0, 2]), torch.tensor([0, 0, 1]))
        >>> [each.label for each in worst_first(classes)]
        [2, 0]

    """
    return sorted(classes, key=lambda each: (each.accuracy, each.label))
