"""Right and wrong, class by class, from one pass over the test images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from avalanche.evaluation import PluginMetric
from avalanche.evaluation.metric_results import MetricValue
from torch import Tensor

from clsim.utils.errors import NotFinite


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

    def accuracy_by_block(self, blocks: Sequence[Iterable[int]]) -> list[float | None]:
        """:meth:`accuracy` of each block of classes; ``None`` for a block without test images."""
        return [self.accuracy(block) for block in blocks]


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

    Works in any Avalanche strategy; emits the accuracy over the evaluated stream. An image whose greatest output is
    NaN or infinite has no answer: the evaluation then ends in :class:`~clsim.utils.errors.NotFinite`. Outputs of minus
    infinity are fine, as they exclude classes.

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
        self._broken: Tensor | None = None
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
        labels = strategy.mb_y
        greatest, answers = strategy.mb_output.max(dim=1)  # a NaN is the greatest
        self._seen.append((labels, answers))
        batch, broken = count_correct(answers, labels, self.classes), (~greatest.isfinite()).sum()
        if self._sums is None or self._broken is None:
            self._sums, self._broken = batch, broken
        else:
            self._broken += broken
            for total, new in zip(self._sums, batch, strict=True):
                total += new

    def after_eval(self, strategy: Any) -> MetricValue | None:
        """Reads counts and answers, the one time this metric waits for the device.

        Raises:
            NotFinite: Images whose outputs are NaN or infinite.
        """
        if self._sums is None or self._broken is None:
            return None
        if broken := int(self._broken):
            images = sum(len(labels) for labels, _ in self._seen)
            raise NotFinite(f"the model's outputs are NaN or infinite for {broken} of {images} test images")
        self.labels, self.answers = (torch.cat(parts).cpu() for parts in zip(*self._seen, strict=True))
        self._seen = []
        self.counts = ClassCounts(*(total.cpu() for total in self._sums))
        return MetricValue(self, "clsim/accuracy", self.counts.accuracy(), strategy.clock.train_iterations)
