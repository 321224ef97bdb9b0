"""Losses between the new model's features and the old model's class prototypes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor

from clsim.losses import influence_rows, prototypes
from clsim.models.protocols import Embedder, HasClassifier, require
from clsim.plugins.batch_features import batch_features
from clsim.plugins.model_upgrade import ModelUpgrade
from clsim.plugins.session_images import outputs_of, session_batches
from clsim.training.phases import Phase
from clsim.utils.arguments import checked
from clsim.utils.device import autocast_of
from clsim.utils.template import Template

PrototypeLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Function from new features ``(B, D)``, prototypes ``(C, d)`` and their rows for the batch ``(B,)`` to a scalar."""


class OldPrototypes(SupervisedPlugin[Any]):
    r"""Replaces the loss :math:`L` by :math:`w L + \sum_i w_i \ell_i(v, P, y)` while a new model learns.

    The prototypes are the old model's mean features of the session's images, class by class, also of classes that it
    never learned. They are computed once before the session, without augmentation and in evaluation mode, and stay
    fixed. Sessions without an old model are left unchanged.

    Args:
        upgrade: Plugin that holds the old model.
        losses: Pairs of weight and loss.
        own_weight: Weight :math:`w` of the strategy's loss.
        old_classifier: Whether rows of the old model's classifier replace the prototypes of classes that it learned,
            with the other prototypes scaled to their mean length: the synthesized classifier of BCT.

    Source: OCA (arXiv 2408.08793), ``train_OCA.py:61-87`` of the authors' code, which uses augmented images.

    Example:
        The loss receives a prototype of each class of the session, also of the two that are new.

        >>> from functools import partial
        >>> from torch import nn
        >>> from clsim.data.datasets.shapes import shapes
        >>> from clsim.models import EmbeddingClassifier
        >>> from clsim.streams import upgrade
        >>> from clsim.training import Strategy
        >>> def make(old: nn.Module | None) -> EmbeddingClassifier:
        ...     backbone = nn.Sequential(nn.Flatten(), nn.Linear(3072, 5))
        ...     backbone.num_features = 5
        ...     return EmbeddingClassifier(backbone, dimensions=3, classes=4)
        >>> def distance(features, prototypes, rows):
        ...     print(tuple(features.shape), tuple(prototypes.shape))
        ...     return (features - prototypes[rows]).square().mean()
        >>> model_upgrade, optimizer = ModelUpgrade(make), partial(torch.optim.SGD, lr=0.1)
        >>> plugins = [model_upgrade, OldPrototypes(model_upgrade, [(1.0, distance)])]
        >>> strategy = Strategy(model=make(None), optimizer=optimizer, plugins=plugins)
        >>> for session in upgrade(shapes(4, train=2, test=1), classes=[2, 4]).train_stream:
        ...     _ = strategy.train(session, eval_streams=[])
        (8, 3) (4, 3)

    """

    phase: ClassVar[Phase] = Phase.LOSS

    @checked
    def __init__(
        self,
        upgrade: ModelUpgrade,
        losses: list[tuple[float, PrototypeLoss]],
        *,
        own_weight: float = 1.0,
        old_classifier: bool = False,
    ) -> None:
        super().__init__()
        self.upgrade = upgrade
        self.losses = losses
        self.own_weight = own_weight
        self.old_classifier = old_classifier
        self.prototypes: Tensor | None = None
        self._row_of: Tensor = torch.zeros(0)

    def before_training_exp(self, strategy: Template, **kwargs: Any) -> None:
        """Compute the prototypes."""
        if self.upgrade.old is None:
            self.prototypes = None
            return
        old = require(self.upgrade.old, Embedder, self)
        with autocast_of(strategy):
            features, labels = outputs_of(old.embed, session_batches(strategy, model=self.upgrade.old))
        classes, found = prototypes(features, labels)
        if self.old_classifier:
            rows = require(self.upgrade.old, HasClassifier, self).classifier[classes].float()
            learned = torch.tensor(sorted(strategy.experience.previous_classes), device=classes.device)
            found = influence_rows(found, rows, torch.isin(classes, learned))
        self.prototypes = found
        self._row_of = torch.full((int(classes.max()) + 1,), -1, device=classes.device)
        self._row_of[classes] = torch.arange(len(classes), device=classes.device)

    def before_backward(self, strategy: Template, **kwargs: Any) -> None:
        """Add the losses."""
        if self.prototypes is None:
            return
        features, rows = batch_features(strategy, self).float(), self._row_of[strategy.mb_y]
        total = self.own_weight * strategy.loss
        for weight, loss in self.losses:
            total = total + weight * loss(features, self.prototypes, rows)
        strategy.loss = total

    def after_training_exp(self, strategy: Template, **kwargs: Any) -> None:
        """Release the prototypes."""
        self.prototypes = None

    def state_dict(self) -> dict[str, Any]:
        """Return an empty state: a resumed session computes the prototypes again."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Ignore the state, which is empty."""
