"""Loss and accuracy on training batches, by epoch."""

from __future__ import annotations

from typing import Any

import torch
from avalanche.evaluation import PluginMetric
from torch import Tensor

from clsim.metrics.protocols import TrainingStrategy

BUFFERED = 256
"""Number of steps buffered before they are summed."""


class TrainingCurve(PluginMetric[dict[str, list[float]]]):
    """Mean loss and accuracy of each epoch of the current or last session, for any Avalanche strategy.

    The loss is the optimized one, with all terms of all plugins. Accuracy is over the classes that compete in it, on
    augmented batches, with the model at each step. If outputs are not logits of the batch's labels, there is none.

    A step only buffers its loss and predictions. Many steps are summed at once and read on demand, so the host never
    waits for the device and a small step does not pay for a dozen small operations.

    Example:
        >>> TrainingCurve().result()  # before training
        {'loss': [], 'accuracy': []}

    """

    def __init__(self) -> None:
        super().__init__()
        self.reset()

    def reset(self) -> None:
        """Discard all epochs."""
        self._loss: list[float] = []
        self._accuracy: list[float] = []
        self._finished: list[Tensor] = []
        self._start_epoch()

    @property
    def loss(self) -> list[float]:
        """Mean loss of each finished epoch."""
        self._read()
        return self._loss

    @property
    def accuracy(self) -> list[float]:
        """Accuracy of each finished epoch; empty without logits."""
        self._read()
        return self._accuracy

    def result(self) -> dict[str, list[float]]:
        """Return ``loss`` and ``accuracy`` of each finished epoch; accuracy is empty without logits."""
        return {"loss": self.loss, "accuracy": self.accuracy}

    def before_training_exp(self, strategy: TrainingStrategy) -> None:
        """Start a session."""
        self.reset()

    def after_training_iteration(self, strategy: TrainingStrategy) -> None:
        """Buffer the loss, predictions and labels of a step."""
        outputs, labels = strategy.mb_output, strategy.mb_y
        self._losses.append(strategy.loss.detach())
        self._labels.append(labels)
        if isinstance(outputs, Tensor) and _are_logits(outputs, labels):
            # Buffering the outputs would cost more than argmax: their memory could not be reused by the next step.
            self._predictions.append(outputs.argmax(dim=1))
        if len(self._losses) >= BUFFERED:
            self._sum_up()

    def after_training_epoch(self, strategy: TrainingStrategy) -> None:
        """Finish an epoch. Its sums stay on the device until they are read."""
        if self._losses:
            self._sum_up()
        if self._sums is not None:
            self._finished.append(self._sums)
        self._start_epoch()

    def _start_epoch(self) -> None:
        self._losses: list[Tensor] = []
        self._predictions: list[Tensor] = []
        self._labels: list[Tensor] = []
        self._sums: Tensor | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return finished epochs, and the buffer: summing it in other parts would round differently."""
        return {
            "loss": self.loss,
            "accuracy": self.accuracy,
            "_losses": self._losses,
            "_answers": self._predictions,
            "_labels": self._labels,
            "_sums": self._sums,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a :meth:`state_dict`."""
        self._finished = []
        self._loss, self._accuracy = state["loss"], state["accuracy"]
        self._losses, self._predictions, self._labels = state["_losses"], state["_answers"], state["_labels"]
        self._sums = state["_sums"]

    def _read(self) -> None:
        """Read the sums of finished epochs. Only here this metric waits for the device."""
        finished, self._finished = self._finished, []
        for loss, correct, images, scored in torch.stack(finished).tolist() if finished else []:
            self._loss.append(loss / images)
            if scored:
                self._accuracy.append(correct / scored)

    def _sum_up(self) -> None:
        """Add the buffer to ``(loss times images, correct, images, images with logits)``."""
        losses = torch.stack([loss if loss.ndim == 0 else loss.reshape(()) for loss in self._losses])
        sizes = [labels.shape[0] for labels in self._labels]
        scored = len(self._predictions) == len(self._labels)
        known = torch.tensor([*sizes, sum(sizes), sum(sizes) if scored else 0], dtype=torch.float64)
        known = known.to(losses.device, non_blocking=True)
        correct = torch.zeros_like(known[0])
        if scored:
            correct = (torch.cat(self._predictions) == torch.cat(self._labels)).sum().double()
        sums = torch.stack([losses.double() @ known[:-2], correct, known[-2], known[-1]])
        self._sums = sums if self._sums is None else self._sums + sums
        self._losses, self._predictions, self._labels = [], [], []


def _are_logits(outputs: Tensor, labels: Tensor) -> bool:
    """Return whether outputs ``(B, C)`` can be scored against class ids ``(B,)``."""
    return outputs.ndim == 2 and labels.ndim == 1 and outputs.shape[0] == labels.shape[0] and labels.dtype == torch.long
