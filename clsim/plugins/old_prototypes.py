"""New features are held to what the old model makes of the classes, by losses on prototypes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor

from clsim.losses import influence_rows, prototypes
from clsim.plugins.model_upgrade import ModelUpgrade
from clsim.plugins.session_images import outputs_of, session_batches
from clsim.utils.arguments import checked
from clsim.utils.device import autocast_of

PrototypeLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""New features ``(B, D)``, prototypes ``(C, d)``, their rows for the batch ``(B,)`` to a scalar."""


class OldPrototypes(SupervisedPlugin[Any]):
    r"""Turns the loss :math:`L` into :math:`w L + \sum_i w_i \ell_i(v, P, y)` while a new model learns.

    The prototypes are the mean features that the old model gives the session's images, class by class, also of
    classes that it never learnt. It looks at them once, before the session's training, as they are and in
    evaluation mode; they stay as they are found. Nothing happens in sessions without an old model.

    Args:
        upgrade: has the old model.
        losses: each with its weight.
        own_weight: :math:`w`.
        old_classifier: put the rows of the old model's classifier in the place of the prototypes of classes that it
            learnt, and scale the other prototypes to their mean length: the synthesised classifier of BCT.

    Source: OCA (arXiv 2408.08793), ``train_OCA.py:61-87`` of the authors' code, which looks at augmented images.

    """

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

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Lets the old model look at the session's images."""
        old: Any = self.upgrade.old
        if old is None:
            self.prototypes = None
            return
        with autocast_of(strategy):
            features, labels = outputs_of(old.embed, session_batches(strategy))
        classes, found = prototypes(features, labels)
        if self.old_classifier:
            learnt = torch.tensor(sorted(strategy.experience.previous_classes), device=classes.device)
            found = influence_rows(found, old.classifier[classes].float(), torch.isin(classes, learnt))
        self.prototypes = found
        self._row_of = torch.full((int(classes.max()) + 1,), -1, device=classes.device)
        self._row_of[classes] = torch.arange(len(classes), device=classes.device)

    def before_backward(self, strategy: Any, **kwargs: Any) -> None:
        """Adds the losses."""
        if self.prototypes is None:
            return
        features, rows = strategy.model.features.float(), self._row_of[strategy.mb_y]
        total = self.own_weight * strategy.loss
        for weight, loss in self.losses:
            total = total + weight * loss(features, self.prototypes, rows)
        strategy.loss = total

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Their work is done."""
        self.prototypes = None

    def state_dict(self) -> dict[str, Any]:
        """Empty: a session that is resumed lets the old model look again."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing is stored."""
