"""While an image-text model is tuned, each image comes with one of its captions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor

from clsim.data.captioned import CaptionedImages
from clsim.device import autocast_of
from clsim.plugins.text_projection import TextProjection

PairLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""New features of B images and of a caption of each, and the old features of those captions, all ``(B, D)`` of length
1 in the old space, to a scalar."""


class CaptionContrast(SupervisedPlugin[Any]):
    """Adds losses between images and captions to a strategy whose model gives features of images.

    For every image of a batch a caption is drawn. What the old model makes of the captions is known from the training
    of the projection; neither it nor old features of images are asked for.

    Args:
        pairs: the stream's, which the labels number.
        projection: knows the old features of the captions of the whole training part, of which ``pairs`` are the
            first.
        losses: each with its weight.

    Source: stage 2 of XBT (arXiv 2405.14715); the abstract gives no loss, which ones are chosen is up to a strategy.

    """

    def __init__(
        self, pairs: CaptionedImages, projection: TextProjection, losses: list[tuple[float, PairLoss]]
    ) -> None:
        super().__init__()
        self.pairs = pairs
        self.projection = projection
        self.losses = losses
        counts = torch.tensor([len(texts) for texts in pairs.captions])
        self._counts, self._first = counts, counts.cumsum(0) - counts
        self._tokens = torch.zeros(0)

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Takes the captions to tokens, once a session; every model has its own."""
        if self.projection.old_texts is None:
            return
        self._tokens = strategy.model.tokenize(self.pairs.texts).to(strategy.device)
        # A stream of its own: drawing captions does not disturb the order of the images.
        self._draw = torch.Generator().manual_seed(torch.initial_seed() + strategy.experience.current_experience)

    def before_backward(self, strategy: Any, **kwargs: Any) -> None:
        """Draws the captions, encodes them and adds the losses."""
        labels = strategy.mb_y.cpu()
        drawn = (torch.rand(len(labels), generator=self._draw) * self._counts[labels]).long()
        rows = (self._first[labels] + drawn).to(strategy.device)
        tokens = self._tokens[rows]
        with autocast_of(strategy):
            texts = strategy.model.embed_text(tokens[:, : int(tokens.argmax(dim=1).max()) + 1]).float()
        assert self.projection.old_texts is not None
        old = self.projection.old_texts[rows]
        for weight, loss in self.losses:
            strategy.loss = strategy.loss + weight * loss(strategy.mb_output.float(), texts, old)

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """The tokens have done their work."""
        self._tokens = torch.zeros(0)
