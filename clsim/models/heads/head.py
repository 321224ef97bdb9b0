"""The base class of classifiers that learn without gradient descent through a network."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from clsim.losses import EXCLUDED
from clsim.utils.arguments import Count, checked


class ClosedFormHead(nn.Module, ABC):
    """Classifier of features that learns each session at once, in float32.

    Everything it learned is in buffers of fixed shape, so that checkpoints hold it.

    Args:
        width: Length ``D`` of a feature.
        classes: Number ``C`` of class ids of the stream.

    Attributes:
        learned: Mask of the learned classes, ``(C,)`` bool; the others have the logit
            :data:`~clsim.losses.EXCLUDED`.
        base: Mask of the classes of session 0, ``(C,)`` bool.

    """

    learned: Tensor
    base: Tensor

    @checked
    def __init__(self, width: Count, classes: Count) -> None:
        super().__init__()
        self.width = width
        self.classes = classes
        self.register_buffer("learned", torch.zeros(classes, dtype=torch.bool))
        self.register_buffer("base", torch.zeros(classes, dtype=torch.bool))

    @torch.no_grad()
    def learn(self, features: Tensor, labels: Tensor, session: int) -> None:
        """Learn the classes of a session.

        Args:
            features: Features of its images, ``(N, D)``.
            labels: Class ids, ``(N,)``.
            session: Index of the session, from 0.

        """
        present = labels.unique()
        self.learned[present] = True
        if session == 0:
            self.base[present] = True
        with torch.autocast(features.device.type, enabled=False):
            self.fit(features.float(), labels, session)

    @abstractmethod
    def fit(self, features: Tensor, labels: Tensor, session: int) -> None:
        """Update the buffers; takes the arguments of :meth:`learn`."""

    @abstractmethod
    def scores(self, features: Tensor) -> Tensor:
        """Return scores ``(B, C)``; those of classes that are not learned may be any finite numbers."""

    def forward(self, features: Tensor) -> Tensor:
        """Return logits ``(B, C)`` in float32 of features ``(B, D)``."""
        # Distances and closed-form solutions lose their meaning in a reduced precision.
        with torch.autocast(features.device.type, enabled=False):
            return self.scores(features.float()).masked_fill(~self.learned, EXCLUDED)
