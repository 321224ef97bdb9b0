"""Interfaces that metrics expect of strategies and models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

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


@runtime_checkable
class Embedder(Protocol):
    """Model that maps images to features."""

    def embed(self, images: Tensor) -> Tensor:
        """Return features ``(B, D)`` of images in [0, 1], ``(B, 3, H, W)``."""


@runtime_checkable
class TextEmbedder(Embedder, Protocol):
    """Model that maps images and texts to one feature space."""

    def features_of(self, texts: Sequence[str], *, size: int) -> Tensor:
        """Return features ``(T, D)`` of texts, ``size`` at a time."""
