"""Rotation of a new model's features onto those of the old one, in closed form after its training."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from avalanche.training.plugins import SupervisedPlugin

from clsim.losses import orthogonal_procrustes
from clsim.models.protocols import Embedder, Turnable, require
from clsim.plugins.model_upgrade import ModelUpgrade
from clsim.plugins.session_images import outputs_of, session_batches
from clsim.plugins.state import AttributeState
from clsim.training.phases import Phase
from clsim.utils.arguments import checked
from clsim.utils.template import Template


class Procrustes(AttributeState, SupervisedPlugin[Any]):
    """Rotates the features of a new model onto those of the old one, by :func:`~clsim.losses.orthogonal_procrustes`.

    Both models embed the session's images, without augmentation and in evaluation mode. The new model must be
    :class:`~clsim.models.protocols.Turnable`. Nothing is trained. The new model's own results do not change, unless its
    features are longer than the old ones.

    Args:
        upgrade: Plugin that holds the old model until the session ends.

    Example:
        The new model's features are the old ones with two axes exchanged; the rotation exchanges them back.

        >>> from torch import nn
        >>> from clsim.data.datasets.shapes import shapes
        >>> from clsim.models import EmbeddingClassifier
        >>> from clsim.streams import upgrade
        >>> from clsim.training import Strategy
        >>> def exchanged(old: EmbeddingClassifier) -> EmbeddingClassifier:
        ...     new = EmbeddingClassifier(old.backbone, dimensions=2, classes=4, neck=False)
        ...     new.turn(torch.eye(2).flip(0))
        ...     return new
        >>> backbone = nn.Sequential(nn.Flatten(), nn.Linear(3072, 2))
        >>> backbone.num_features = 2
        >>> old = EmbeddingClassifier(backbone, dimensions=2, classes=4, neck=False)
        >>> model_upgrade = ModelUpgrade(exchanged)
        >>> strategy = Strategy(model=old, plugins=[Procrustes(model_upgrade), model_upgrade])
        >>> for session in upgrade(shapes(4, train=5, test=1), classes=[2, 4]).train_stream:
        ...     _ = strategy.train(session, eval_streams=[])
        >>> images = torch.rand(3, 3, 32, 32)
        >>> bool(torch.allclose(strategy.model.embed(images), old.embed(images), atol=1e-5))
        True

    """

    phase: ClassVar[Phase] = Phase.ALIGNMENT
    state_names: ClassVar[tuple[str, ...]] = ()

    @checked
    def __init__(self, upgrade: ModelUpgrade) -> None:
        super().__init__()
        self.upgrade = upgrade

    def after_training_exp(self, strategy: Template, **kwargs: Any) -> None:
        """Compute the rotation and turn the model."""
        if self.upgrade.old is None:
            return
        old, model = require(self.upgrade.old, Embedder, self), require(strategy.model, Turnable, self)
        strategy.model.eval()
        new, _ = outputs_of(model.embed, session_batches(strategy, model=strategy.model))
        target, _ = outputs_of(old.embed, session_batches(strategy, model=self.upgrade.old))
        model.turn(orthogonal_procrustes(new, target))

    def rebuild_end(self, strategy: Template) -> None:
        """Make the structure of a turned model, see :class:`~clsim.plugins.protocols.RebuildsEnd`."""
        if self.upgrade.old is not None:
            old, model = require(self.upgrade.old, Turnable, self), require(strategy.model, Turnable, self)
            model.turn(torch.eye(model.dimensions, old.dimensions, device=strategy.device))
