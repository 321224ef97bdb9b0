"""Parts of a strategy that metrics read; for models see :mod:`clsim.models.protocols`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol

import torch
from torch import Tensor, nn


class Clock(Protocol):
    """Counter of training steps."""

    @property
    def train_iterations(self) -> int:
        """Number of training steps so far."""


class ModelOnDevice(Protocol):
    """Part of a strategy that feature extraction reads."""

    @property
    def model(self) -> nn.Module:
        """Model of the strategy."""

    @property
    def device(self) -> torch.device:
        """Device of the model."""


class VersionedStrategy(ModelOnDevice, Protocol):
    """Part of a strategy that cross-tests read."""

    @property
    def clock(self) -> Clock:
        """Counter of training steps."""


class EvaluatingStrategy(Protocol):
    """Part of a strategy that metrics read during an evaluation."""

    @property
    def clock(self) -> Clock:
        """Counter of training steps."""

    @property
    def mb_y(self) -> Tensor:
        """Class ids of the batch, ``(B,)``."""

    @property
    def mb_output(self) -> Tensor:
        """Outputs of the model, ``(B, C)``."""


class EvaluatedSession(Protocol):
    """Session of an evaluated stream."""

    @property
    def classes_in_this_experience(self) -> Collection[int]:
        """Class ids of the session."""


class StreamEvaluatingStrategy(EvaluatingStrategy, Protocol):
    """Part of a strategy that metrics read of the evaluated stream."""

    @property
    def current_eval_stream(self) -> Iterable[EvaluatedSession]:
        """Sessions of the evaluation in progress."""


class TrainingStrategy(Protocol):
    """Part of a strategy that metrics read during training."""

    @property
    def loss(self) -> Tensor:
        """Loss of the batch, a scalar."""

    @property
    def mb_y(self) -> Tensor:
        """Labels of the batch, ``(B,)``."""

    @property
    def mb_output(self) -> object:
        """Outputs of the model; a tensor ``(B, C)`` for a classifier."""
