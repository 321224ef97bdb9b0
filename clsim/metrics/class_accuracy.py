"""Accuracy by class from one pass over the test images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from avalanche.evaluation import PluginMetric
from avalanche.evaluation.metric_results import MetricValue
from torch import Tensor

from clsim.metrics.protocols import EvaluatingStrategy
from clsim.utils.errors import NotFinite


@dataclass(frozen=True)
class ClassCounts:
    """Correct predictions and test images of each class, on the CPU.

    Attributes:
        correct: Number of correct predictions, ``(C,)``.
        total: Number of test images, ``(C,)``.

    """

    correct: Tensor
    total: Tensor

    def accuracy(self, classes: Iterable[int] | None = None) -> float | None:
        """Return the accuracy over some classes, or over all; ``None`` without test images.

        Args:
            classes: Class ids; ``None`` for all classes.

        Example:
            >>> ClassCounts(torch.tensor([3, 0]), torch.tensor([4, 4])).accuracy([0])
            0.75

        """
        chosen = slice(None) if classes is None else torch.tensor(sorted(classes), dtype=torch.long)
        total = int(self.total[chosen].sum())
        return int(self.correct[chosen].sum()) / total if total else None

    def accuracy_by_block(self, blocks: Sequence[Iterable[int]]) -> list[float | None]:
        """Return :meth:`accuracy` of each block of classes; ``None`` for blocks without test images.

        Example:
            >>> ClassCounts(torch.tensor([3, 0]), torch.tensor([4, 4])).accuracy_by_block([[0], [0, 1]])
            [0.75, 0.375]

        """
        return [self.accuracy(block) for block in blocks]


def count_correct(predictions: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Return the number of correct predictions and of images of each class, without synchronizing the device.

    Args:
        predictions: Predicted class ids, ``(B,)``.
        labels: Class ids, ``(B,)``.
        classes: Number of classes.

    Returns:
        ``correct`` and ``total``, ``(classes,)`` int64 each.

    Example:
        >>> count_correct(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]), classes=3)
        (tensor([1, 1, 0]), tensor([2, 1, 0]))

    """
    correct = torch.zeros(classes, dtype=torch.long, device=labels.device)
    total = torch.zeros_like(correct)
    correct.index_add_(0, labels, (predictions == labels).long())
    total.index_add_(0, labels, torch.ones_like(labels))
    return correct, total


class ClassAccuracy(PluginMetric[ClassCounts]):
    """Accuracy over the evaluated stream and counts by class, for any Avalanche strategy.

    Accumulates :func:`count_correct` on the device and reads it once at the end of an evaluation. NaN or infinite
    largest outputs raise :class:`~clsim.utils.errors.NotFinite` there. Minus infinity elsewhere excludes a class and
    is valid.

    Args:
        classes: Number of class ids of the data set.

    Attributes:
        counts: Counts of the last finished evaluation.
        labels: Class ids of its images in evaluation order, on the CPU.
        predictions: Predicted class ids of these images.

    Example:
        >>> metric = ClassAccuracy(classes=10)
        >>> metric.result().accuracy() is None  # before the first evaluation
        True

    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.reset()
        self.labels = self.predictions = torch.zeros(0, dtype=torch.long)
        self.counts = ClassCounts(torch.zeros(classes, dtype=torch.long), torch.zeros(classes, dtype=torch.long))

    def result(self) -> ClassCounts:
        """Return the counts of the last finished evaluation."""
        return self.counts

    def reset(self) -> None:
        """Discard the evaluation in progress."""
        self._sums: tuple[Tensor, Tensor] | None = None
        self._broken: Tensor | None = None
        self._seen: list[tuple[Tensor, Tensor]] = []

    def state_dict(self) -> dict[str, Any]:
        """Return no state: counts start from zero at each evaluation."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Do nothing: there is no state."""

    def before_eval(self, strategy: EvaluatingStrategy) -> None:
        """Start from zero."""
        self.reset()

    def after_eval_iteration(self, strategy: EvaluatingStrategy) -> None:
        """Add a batch."""
        labels = strategy.mb_y
        largest, predictions = strategy.mb_output.max(dim=1)  # NaN counts as the largest
        self._seen.append((labels, predictions))
        batch, broken = count_correct(predictions, labels, self.classes), (~largest.isfinite()).sum()
        if self._sums is None or self._broken is None:
            self._sums, self._broken = batch, broken
        else:
            self._broken += broken
            for total, new in zip(self._sums, batch, strict=True):
                total += new

    def after_eval(self, strategy: EvaluatingStrategy) -> MetricValue | None:
        """Read the counts from the device and return the accuracy.

        Raises:
            NotFinite: Outputs of some images are NaN or infinite.
        """
        if self._sums is None or self._broken is None:
            return None
        if broken := int(self._broken):
            images = sum(len(labels) for labels, _ in self._seen)
            raise NotFinite(f"the model's outputs are NaN or infinite for {broken} of {images} test images")
        self.labels, self.predictions = (torch.cat(parts).cpu() for parts in zip(*self._seen, strict=True))
        self._seen = []
        self.counts = ClassCounts(*(total.cpu() for total in self._sums))
        return MetricValue(self, "clsim/accuracy", self.counts.accuracy(), strategy.clock.train_iterations)
