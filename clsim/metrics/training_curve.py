"""Loss and accuracy on the training batches themselves, epoch by epoch."""

from __future__ import annotations

from typing import Any

import torch
from avalanche.evaluation import PluginMetric
from torch import Tensor

HELD = 256
"""Steps that may wait to be looked at."""


class TrainingCurve(PluginMetric[dict[str, list[float]]]):
    """Mean loss and accuracy of every epoch of the present or last session. Works in any Avalanche strategy.

    The loss is the one that is lowered, all terms of all plugins included; accuracy is over the classes that compete
    in it, on batches as they are augmented, by the model as it was at each step. Where outputs are not logits of the
    batch's labels, there is no accuracy.

    A step only puts its loss and answers aside. They are summed up many steps at a time, and read when somebody asks,
    so that neither the host waits for the device nor a small step for a dozen smaller operations.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reset()

    def reset(self) -> None:
        """Forgets all epochs."""
        self._loss: list[float] = []
        self._accuracy: list[float] = []
        self._over: list[Tensor] = []
        self._start_epoch()

    @property
    def loss(self) -> list[float]:
        """Mean loss of every epoch so far."""
        self._read()
        return self._loss

    @property
    def accuracy(self) -> list[float]:
        """Accuracy of every epoch so far; empty where there is none."""
        self._read()
        return self._accuracy

    def result(self) -> dict[str, list[float]]:
        """``loss`` and ``accuracy`` of every epoch so far; the latter is empty where there is none."""
        return {"loss": self.loss, "accuracy": self.accuracy}

    def before_training_exp(self, strategy: Any) -> None:
        """A session begins."""
        self.reset()

    def after_training_iteration(self, strategy: Any) -> None:
        """Puts a step's loss, answers and labels aside."""
        outputs, labels = strategy.mb_output, strategy.mb_y
        self._losses.append(strategy.loss.detach())
        self._labels.append(labels)
        if _are_logits(outputs, labels):
            # Not the outputs themselves: to hold them costs more than this does, in memory that is fresh each time.
            self._answers.append(outputs.argmax(dim=1))
        if len(self._losses) >= HELD:
            self._look()

    def after_training_epoch(self, strategy: Any) -> None:
        """Leaves the epoch's sums on the device until somebody asks for them."""
        if self._losses:
            self._look()
        if self._sums is not None:
            self._over.append(self._sums)
        self._start_epoch()

    def state_dict(self) -> dict[str, Any]:
        """Finished epochs, and what was put aside of the present one: sums over other parts are rounded otherwise."""
        aside = {name: getattr(self, name) for name in ("_losses", "_answers", "_labels", "_sums")}
        return {"loss": self.loss, "accuracy": self.accuracy, **aside}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What :meth:`state_dict` gave."""
        self._over = []
        for name in state:
            setattr(self, {"loss": "_loss", "accuracy": "_accuracy"}.get(name, name), state[name])

    def _read(self) -> None:
        """Read the sums of the epochs that are over: here alone this metric waits for the device."""
        over, self._over = self._over, []
        for loss, right, images, counted in torch.stack(over).tolist() if over else []:
            self._loss.append(loss / images)
            if counted:
                self._accuracy.append(right / counted)

    def _start_epoch(self) -> None:
        self._losses: list[Tensor] = []
        self._answers: list[Tensor] = []
        self._labels: list[Tensor] = []
        self._sums: Tensor | None = None

    def _look(self) -> None:
        """Adds what was put aside to ``(loss times images, right, images, images with logits)``."""
        losses = torch.stack([loss if loss.ndim == 0 else loss.reshape(()) for loss in self._losses])
        sizes = [labels.shape[0] for labels in self._labels]
        counted = len(self._answers) == len(self._labels)
        known = torch.tensor([*sizes, sum(sizes), sum(sizes) if counted else 0], dtype=torch.float64)
        known = known.to(losses.device, non_blocking=True)
        right = torch.zeros_like(known[0])
        if counted:
            right = (torch.cat(self._answers) == torch.cat(self._labels)).sum().double()
        sums = torch.stack([losses.double() @ known[:-2], right, known[-2], known[-1]])
        self._sums = sums if self._sums is None else self._sums + sums
        self._losses, self._answers, self._labels = [], [], []


def _are_logits(outputs: Any, labels: Tensor) -> bool:
    """Whether a row of outputs can be sorted right or wrong: one for each class id."""
    return (
        isinstance(outputs, Tensor)
        and outputs.ndim == 2
        and labels.ndim == 1
        and outputs.shape[0] == labels.shape[0]
        and labels.dtype == torch.long
    )
