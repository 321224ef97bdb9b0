"""Right and wrong, class by class, from one pass over the test images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from avalanche.evaluation import PluginMetric
from avalanche.evaluation.metric_results import MetricValue
from torch import Tensor


@dataclass(frozen=True)
class ClassCounts:
    """Test images and right answers of every class, ``(C,)`` each, on the CPU."""

    correct: Tensor
    total: Tensor

    def accuracy(self, classes: Iterable[int] | None = None) -> float | None:
        """Share of right answers among the images of some classes, or of all; ``None`` without images.

        Example:
            >>> ClassCounts(torch.tensor([3, 0]), torch.tensor([4, 4])).accuracy([0])
            0.75

        """
        chosen = slice(None) if classes is None else torch.tensor(sorted(classes), dtype=torch.long)
        total = int(self.total[chosen].sum())
        return int(self.correct[chosen].sum()) / total if total else None

    def accuracy_by_block(self, blocks: Sequence[Iterable[int]]) -> list[float]:
        """:meth:`accuracy` of each block of classes; a block without test images counts as 0."""
        return [self.accuracy(block) or 0.0 for block in blocks]


def count_correct(answers: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Right answers and images of every class, without waiting for the device.

    Args:
        answers: the class that each image was taken for, ``(B,)``.
        labels: class ids ``(B,)``.
        classes: length of the counts.

    Returns:
        ``correct`` and ``total``, ``(classes,)`` int64 each.

    """
    correct = torch.zeros(classes, dtype=torch.long, device=labels.device)
    total = torch.zeros_like(correct)
    correct.index_add_(0, labels, (answers == labels).long())
    total.index_add_(0, labels, torch.ones_like(labels))
    return correct, total


class ClassAccuracy(PluginMetric[ClassCounts]):
    """Accumulates :func:`count_correct` on the device over one evaluation and reads it once at its end.

    Works in any Avalanche strategy; emits the accuracy over the evaluated stream.

    Args:
        classes: number of class ids of the data set.

    Attributes:
        counts: of the last finished evaluation.
        labels: class ids of its images in the order in which they were evaluated, on the CPU.
        answers: what each of them was taken for.

    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.reset()
        self.labels = self.answers = torch.zeros(0, dtype=torch.long)
        self.counts = ClassCounts(torch.zeros(classes, dtype=torch.long), torch.zeros(classes, dtype=torch.long))

    def result(self) -> ClassCounts:
        """Counts of the last finished evaluation."""
        return self.counts

    def reset(self) -> None:
        """Forgets the evaluation in progress."""
        self._sums: tuple[Tensor, Tensor] | None = None
        self._seen: list[tuple[Tensor, Tensor]] = []

    def state_dict(self) -> dict[str, Any]:
        """Empty: every evaluation counts anew."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing is stored."""

    def before_eval(self, strategy: Any) -> None:
        """Starts from nothing."""
        self.reset()

    def after_eval_iteration(self, strategy: Any) -> None:
        """Adds a batch."""
        labels, answers = strategy.mb_y, strategy.mb_output.argmax(dim=1)
        self._seen.append((labels, answers))
        batch = count_correct(answers, labels, self.classes)
        if self._sums is None:
            self._sums = batch
        else:
            for total, new in zip(self._sums, batch, strict=True):
                total += new

    def after_eval(self, strategy: Any) -> MetricValue | None:
        """Reads counts and answers, the one time this metric waits for the device."""
        if self._sums is None:
            return None
        self.labels, self.answers = (torch.cat(parts).cpu() for parts in zip(*self._seen, strict=True))
        self._seen = []
        self.counts = ClassCounts(*(total.cpu() for total in self._sums))
        return MetricValue(self, "clsim/accuracy", self.counts.accuracy(), strategy.clock.train_iterations)
