"""A projection learns from texts alone where the old model's space lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor, nn
from torch.nn import functional as F

from clsim.losses import contrastive_loss, cosine_distillation, orthogonal_procrustes
from clsim.plugins.clip_upgrade import ClipUpgrade
from clsim.plugins.session_images import outputs_of, session_batches
from clsim.utils.arguments import Count, NotNegative, Whole, checked
from clsim.utils.device import autocast_of


class TextProjection(SupervisedPlugin[Any]):
    r"""Trains the new model's projection :math:`\phi` before a session, on captions without their images.

    It starts at the rotation of :func:`~clsim.losses.orthogonal_procrustes` and then lowers

    .. math:: (1 - \cos(\phi(T_{new}(c)), T_{old}(c))) + w L_{contrast}

    over all captions, the second term telling the captions of a batch apart at a temperature of 0.01. Both models'
    texts are encoded once; after that the old model is not needed.

    Put behind the :class:`~clsim.plugins.ClipUpgrade`.

    Args:
        upgrade: has the old model.
        texts: captions.
        steps: of Adam; 0 leaves the projection at the rotation.
        batch_size: captions a step.
        lr: top of the learning rate, which falls to 0 along a cosine.
        contrast: :math:`w`.
        images: fit the rotation to the session's images as well, whose old features an index holds; no longer from
            texts alone, then.

    Attributes:
        same: a number for every caption, ``(T,)``, the same for equal ones, which nothing could tell apart.
        old_texts: what the old model makes of the captions, ``(T, D)``, from the start of a session to its end.

    Source: stage 1 of XBT (arXiv 2405.14715); the abstract gives no loss, this one is ours.

    """

    @checked
    def __init__(
        self,
        upgrade: ClipUpgrade,
        texts: Sequence[str],
        *,
        steps: Whole = 1000,
        batch_size: Count = 512,
        lr: NotNegative = 1e-3,
        contrast: NotNegative = 1.0,
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
        self.contrast = contrast
        self.images = images
        self.old_texts: Tensor | None = None

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Encodes the captions by both models and trains the projection."""
        old: Any = self.upgrade.old
        new = strategy.model
        if old is None:
            return
        with autocast_of(strategy):
            self.old_texts = old.features_of(self.texts)
            new_texts = new.eval().features_of(self.texts, projected=False)
            mine, theirs = self._with_images(strategy, new_texts, self.old_texts)
        new.projection.start_at(orthogonal_procrustes(mine, theirs))
        if self.steps:
            self._train(new.projection.train(), new_texts, self.old_texts)
        new.train()

    def _with_images(self, strategy: Any, new: Tensor, old: Tensor) -> tuple[Tensor, Tensor]:
        """The features that the rotation is fitted to."""
        if not self.images:
            return new, old
        model: Any = self.upgrade.old
        seen, _ = outputs_of(strategy.model.encode_image, session_batches(strategy, size=256))
        indexed, _ = outputs_of(model.embed, session_batches(strategy, size=256))
        return torch.cat([new, seen]), torch.cat([old, indexed])

    def _train(self, projection: nn.Module, new: Tensor, old: Tensor) -> None:
        optimizer = torch.optim.Adam(projection.parameters(), lr=self.lr)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
        # A stream of its own, so that the order of the images does not depend on the number of steps.
        draw = torch.Generator().manual_seed(torch.initial_seed())
        size, same = min(self.batch_size, len(new)), self.same.to(new.device)
        for _ in range(self.steps):
            rows = torch.randint(len(new), (size,), generator=draw).to(new.device, non_blocking=True)
            projected, wanted = F.normalize(projection(new[rows]), dim=1), old[rows]
            loss = cosine_distillation(projected, wanted)
            if self.contrast:
                alike = same[rows][:, None] == same[rows]
                loss = loss + self.contrast * contrastive_loss(100 * projected @ wanted.T, alike)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Their work is done."""
        self.old_texts = None

    def state_dict(self) -> dict[str, Any]:
        """Empty: a session that is resumed trains the projection again, with the same draws."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing is stored."""
