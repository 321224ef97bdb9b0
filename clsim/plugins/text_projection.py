"""Training of a projection into the old model's space, from captions alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor, nn
from torch.nn import functional as F

from clsim.losses import contrastive_loss, cosine_distillation, orthogonal_procrustes
from clsim.models.projection import Projection
from clsim.models.protocols import Projected, TextEmbedder, require
from clsim.plugins.clip_upgrade import ClipUpgrade
from clsim.plugins.session_images import outputs_of, session_batches
from clsim.training.phases import Phase
from clsim.utils.arguments import Count, NotNegative, Whole, checked
from clsim.utils.device import autocast_of
from clsim.utils.errors import ArgumentError
from clsim.utils.template import Template


class TextProjection(SupervisedPlugin[Any]):
    r"""Trains the new model's projection :math:`\phi` before a session, on captions without their images.

    The projection starts at the rotation of :func:`~clsim.losses.orthogonal_procrustes`. Training then minimizes

    .. math:: (1 - \cos(\phi(T_{new}(c)), T_{old}(c))) + w L_{contrast}

    over all captions. The second term separates the captions of a batch at a temperature of 0.01. Both models encode
    the captions once; training itself does not need the old model.

    Args:
        upgrade: Plugin that holds the old model.
        texts: Captions.
        steps: Steps of Adam; 0 leaves the projection at the rotation.
        batch_size: Captions a step.
        lr: Highest learning rate, which falls to 0 along a cosine.
        contrast_weight: Weight :math:`w` of the contrastive term.
        images: Whether to fit the rotation to the session's images as well, with the old features that an index holds;
            then it no longer learns from texts alone.

    Attributes:
        same: Number of every caption, ``(T,)``, the same for equal captions, which no model can separate.
        old_texts: The old model's features of the captions, ``(T, D)``, during a session.

    Source: stage 1 of XBT (arXiv 2405.14715); the abstract gives no loss, this one is ours.

    Example:
        >>> upgrade = ClipUpgrade([], lambda clip, old: nn.Identity())
        >>> TextProjection(upgrade, ["a dog", "a cat", "a dog"]).same
        tensor([0, 1, 0])

    """

    phase: ClassVar[Phase] = Phase.PROJECTION

    @checked
    def __init__(
        self,
        upgrade: ClipUpgrade,
        texts: Sequence[str],
        *,
        steps: Whole = 1000,
        batch_size: Count = 512,
        lr: NotNegative = 1e-3,
        contrast_weight: NotNegative = 1.0,
        images: bool = False,
    ) -> None:
        super().__init__()
        self.upgrade = upgrade
        self.texts = tuple(texts)
        number = {text: index for index, text in enumerate(dict.fromkeys(texts))}
        self.same = torch.tensor([number[text] for text in texts])
        self.steps = steps
        self.batch_size = batch_size
        self.lr = lr
        self.contrast_weight = contrast_weight
        self.images = images
        self.old_texts: Tensor | None = None

    def before_training_exp(self, strategy: Template, **kwargs: Any) -> None:
        """Encode the captions by both models and train the projection."""
        if self.upgrade.old is None:
            return
        old, new = require(self.upgrade.old, TextEmbedder, self), require(strategy.model, Projected, self)
        projection = new.projection
        if not isinstance(projection, Projection):
            what = f"TextProjection trains a clsim.models.Projection, not a {type(projection).__name__}"
            raise ArgumentError(what, fix="set model.projection = Projection(model.width, old.features)")
        strategy.model.eval()
        with autocast_of(strategy):
            self.old_texts = old.features_of(self.texts)
            new_texts = new.features_of(self.texts, projected=False)
            source, target = self._with_images(strategy, new_texts, self.old_texts)
        projection.start_at(orthogonal_procrustes(source, target))
        if self.steps:
            self._train(projection.train(), new_texts, self.old_texts)
        strategy.model.train()

    def _with_images(self, strategy: Template, new: Tensor, old: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features to which the rotation is fitted."""
        if not self.images:
            return new, old
        model, before = require(strategy.model, Projected, self), require(self.upgrade.old, TextEmbedder, self)
        seen, _ = outputs_of(model.encode_image, session_batches(strategy, size=256))
        indexed, _ = outputs_of(before.embed, session_batches(strategy, size=256))
        return torch.cat([new, seen]), torch.cat([old, indexed])

    def _train(self, projection: nn.Module, new: Tensor, old: Tensor) -> None:
        optimizer = torch.optim.Adam(projection.parameters(), lr=self.lr)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
        # A separate generator, so that the order of the images does not depend on the number of steps.
        draw = torch.Generator().manual_seed(torch.initial_seed())
        size, same = min(self.batch_size, len(new)), self.same.to(new.device)
        for _ in range(self.steps):
            rows = torch.randint(len(new), (size,), generator=draw).to(new.device, non_blocking=True)
            projected, target = F.normalize(projection(new[rows]), dim=1), old[rows]
            loss = cosine_distillation(projected, target)
            if self.contrast_weight:
                equal = same[rows][:, None] == same[rows]
                loss = loss + self.contrast_weight * contrastive_loss(100 * projected @ target.T, equal)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()

    def after_training_exp(self, strategy: Template, **kwargs: Any) -> None:
        """Release the old features."""
        self.old_texts = None

    def state_dict(self) -> dict[str, Any]:
        """Return an empty state: a resumed session trains the projection again, with the same draws."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Ignore the state, which is empty."""
