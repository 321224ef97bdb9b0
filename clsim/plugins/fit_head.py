"""Learning in closed form: a head receives the features of a session at its end."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor

from clsim.models.protocols import Embedder, require
from clsim.plugins.session_images import outputs_of, session_batches, view_batches
from clsim.plugins.state import AttributeState
from clsim.streams.session import ResidentView, resident_view
from clsim.utils.arguments import checked
from clsim.utils.device import autocast_of
from clsim.utils.errors import ArgumentError
from clsim.utils.template import Template


class Learner(Protocol):
    """Head that learns a session from features, see :class:`~clsim.models.heads.ClosedFormHead`."""

    def learn(self, features: Tensor, labels: Tensor, session: int) -> None:
        """Learn from features ``(N, D)`` and class ids ``(N,)`` of a session."""


class FitHead(AttributeState, SupervisedPlugin[Any]):
    """Lets a head learn each session from the features of its images, not augmented.

    The strategy needs no optimizer and ``train_epochs=0``. What the head learned is part of the model's state.

    Args:
        head: Head of the strategy's model.
        cumulative: Whether a session brings the features of all earlier ones again, as a joint reference needs; the
            plugin then stores the indices of all images.

    Example:
        >>> from torch import nn
        >>> from clsim.data.datasets.shapes import shapes
        >>> from clsim.models import FrozenClassifier
        >>> from clsim.models.heads import NearestMean
        >>> from clsim.streams import fscil
        >>> from clsim.training import Strategy
        >>> backbone = nn.Sequential(nn.Flatten(), nn.Linear(3072, 8))
        >>> backbone.num_features = 8
        >>> head = NearestMean(8, 4)
        >>> strategy = Strategy(model=FrozenClassifier(backbone, head), train_epochs=0, plugins=[FitHead(head)])
        >>> stream = fscil(shapes(4, train=5, test=1), base_classes=2, ways=2, shots=1, splits={"draw": 0})
        >>> _ = strategy.train(stream.train_stream[0], eval_streams=[])
        >>> head.learned
        tensor([ True,  True, False, False])

    """

    state_names: ClassVar[tuple[str, ...]] = ("indices",)

    @checked
    def __init__(self, head: Learner, *, cumulative: bool = False) -> None:
        super().__init__()
        self.head = head
        self.cumulative = cumulative
        self.indices = torch.zeros(0, dtype=torch.long)

    def after_training_exp(self, strategy: Template, **kwargs: Any) -> None:
        """Hand the features to the head."""
        model = require(strategy.model.eval(), Embedder, self)
        batches = session_batches(strategy, model=strategy.model)
        if self.cumulative:
            view = resident_view(strategy.experience)
            if view is None:
                raise ArgumentError("FitHead: cumulative needs the sessions of a clsim stream")
            self.indices = torch.cat([self.indices, view.indices]).unique()
            batches = view_batches(strategy, ResidentView(view.images, self.indices), model=strategy.model)
        with autocast_of(strategy):
            features, labels = outputs_of(model.embed, batches)
        self.head.learn(features, labels, strategy.experience.current_experience)
