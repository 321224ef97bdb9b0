"""Losses between the images of a batch, their captions, and the old model's features of both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor
from torch.nn.utils import parametrize

from clsim.data.core.captioned import CaptionedImages
from clsim.models.protocols import Captioned, Embedder, require
from clsim.plugins.clip_upgrade import ClipUpgrade
from clsim.plugins.session_images import outputs_of, session_batches
from clsim.plugins.text_projection import TextProjection
from clsim.training.phases import Phase
from clsim.utils.arguments import checked
from clsim.utils.device import autocast_of
from clsim.utils.template import Template


class PairBatch(NamedTuple):
    """Features of B images and of one caption of each, all ``(B, D)`` of length 1 in the old space.

    Attributes:
        images: Images by the new model.
        texts: Captions by the new model.
        old_images: Images by the old model, as its index stores them.
        old_texts: Captions by the old model.
        same: Equal captions, ``(B, B)`` bool; no model can separate such pairs.

    """

    images: Tensor
    texts: Tensor
    old_images: Tensor
    old_texts: Tensor
    same: Tensor


PairLoss = Callable[[PairBatch], Tensor]
"""Function from a batch to a scalar."""


class CaptionContrast(SupervisedPlugin[Any]):
    """Adds losses between images and captions to a strategy whose model returns features of images.

    For every image of a batch one caption is drawn. The old model's features of captions come from the training of the
    projection; its features of images are computed once before the session, without augmentation, as an index does.
    The old model does not run while the new one learns.

    Args:
        pairs: Images of the stream with their captions, numbered by the labels.
        upgrade: Plugin that holds the old model.
        projection: Plugin that holds the old features of all training captions; those of ``pairs`` come first.
        losses: Pairs of weight and loss.

    Raises:
        ValueError: The captions of ``pairs`` are not the first ones of the projection.

    Source: stage 2 of XBT (arXiv 2405.14715). The abstract gives no loss; a strategy chooses them.

    Example:
        >>> from clsim.losses import cosine_distillation
        >>> pixels = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
        >>> pairs = CaptionedImages(pixels, (("a dog", "a pet"), ("a cat",)), "pets")
        >>> upgrade = ClipUpgrade([], lambda clip, old: torch.nn.Identity())
        >>> projection = TextProjection(upgrade, [*pairs.texts, "a bird"])
        >>> losses = [(1.0, lambda batch: cosine_distillation(batch.images, batch.old_texts))]
        >>> contrast = CaptionContrast(pairs, upgrade, projection, losses)
        >>> [plugin.phase.name for plugin in (upgrade, projection, contrast)]
        ['MODEL', 'PROJECTION', 'LOSS']

    """

    phase: ClassVar[Phase] = Phase.LOSS

    @checked
    def __init__(
        self,
        pairs: CaptionedImages,
        upgrade: ClipUpgrade,
        projection: TextProjection,
        losses: list[tuple[float, PairLoss]],
    ) -> None:
        super().__init__()
        if projection.texts[: len(pairs.texts)] != pairs.texts:
            raise ValueError("CaptionContrast: the projection must learn from the captions of the pairs first")
        self.pairs = pairs
        self.upgrade = upgrade
        self.projection = projection
        self.losses = losses
        counts = torch.tensor([len(texts) for texts in pairs.captions])
        self._counts, self._first = counts, counts.cumsum(0) - counts
        self._tokens = self._index = self._caption_ids = torch.zeros(0)
        self._draw = torch.Generator()

    def before_training_exp(self, strategy: Template, **kwargs: Any) -> None:
        """Compute the old features of the images and tokenize the captions for the new model."""
        if self.upgrade.old is None or not strategy.train_epochs:
            return
        old, model = require(self.upgrade.old, Embedder, self), require(strategy.model, Captioned, self)
        with autocast_of(strategy):
            features, numbers = outputs_of(old.embed, session_batches(strategy, size=256))
        self._index = features[numbers.argsort()]
        self._tokens = model.tokenize(self.pairs.texts).to(strategy.device)
        self._caption_ids = self.projection.same.to(strategy.device)
        self._counts, self._first = self._counts.to(strategy.device), self._first.to(strategy.device)
        # A separate generator: drawing captions must not change the order of the images.
        self._draw = torch.Generator().manual_seed(torch.initial_seed() + strategy.experience.current_experience)

    def before_backward(self, strategy: Template, **kwargs: Any) -> None:
        """Draw the captions, encode them and add the losses."""
        labels, model = strategy.mb_y, require(strategy.model, Captioned, self)
        # Drawn on the CPU, so that a seed draws the same on every device; the copy does not wait for the device.
        draw = torch.rand(len(labels), generator=self._draw).to(strategy.device, non_blocking=True)
        rows = self._first[labels] + (draw * self._counts[labels]).long()
        tokens = self._tokens[rows]
        if strategy.device.type == "cpu":
            tokens = model.cut(tokens)  # to the longest caption of the batch; elsewhere reading its length would wait
        with autocast_of(strategy), parametrize.cached():
            texts = model.embed_text(tokens).float()
        assert self.projection.old_texts is not None
        old_images, old_texts = self._index[strategy.mb_y], self.projection.old_texts[rows]
        ids = self._caption_ids[rows]
        batch = PairBatch(strategy.mb_output.float(), texts, old_images, old_texts, ids[:, None] == ids)
        for weight, loss in self.losses:
            strategy.loss = strategy.loss + weight * loss(batch)

    def after_training_exp(self, strategy: Template, **kwargs: Any) -> None:
        """Release the tokens and the old features."""
        self._tokens = self._index = self._caption_ids = torch.zeros(0)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the generator; a resumed session computes the rest again."""
        return {"draw": self._draw.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the generator."""
        self._draw.set_state(state["draw"])
