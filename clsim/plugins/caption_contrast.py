"""While an image-text model is tuned, each image comes with a caption, and with what the old model made of both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor
from torch.nn.utils import parametrize

from clsim.data.core.captioned import CaptionedImages
from clsim.plugins.clip_upgrade import ClipUpgrade
from clsim.plugins.session_images import outputs_of, session_batches
from clsim.plugins.text_projection import TextProjection
from clsim.utils.arguments import checked
from clsim.utils.device import autocast_of


class PairBatch(NamedTuple):
    """Features of B images and of a caption of each, all ``(B, D)`` of length 1 in the old space.

    Attributes:
        images: by the new model.
        texts: by the new model.
        old_images: as the old model's index holds them.
        old_texts: by the old model.
        same: which captions are equal, ``(B, B)`` bool; nothing can tell such pairs apart.

    """

    images: Tensor
    texts: Tensor
    old_images: Tensor
    old_texts: Tensor
    same: Tensor


PairLoss = Callable[[PairBatch], Tensor]
"""A batch to a scalar."""


class CaptionContrast(SupervisedPlugin[Any]):
    """Adds losses between images and captions to a strategy whose model gives features of images.

    For every image of a batch a caption is drawn. What the old model makes of captions is known from the training of
    the projection; what it makes of the images is looked up as an index would: one pass before the session, on the
    images as they are. While the new model learns, the old one is not asked.

    Put behind the :class:`~clsim.plugins.TextProjection`.

    Args:
        pairs: the stream's, which the labels number.
        upgrade: has the old model.
        projection: knows the old features of the captions of the whole training part, of which ``pairs`` are the
            first.
        losses: each with its weight.

    Raises:
        ValueError: the captions of ``pairs`` are not the first ones of the projection.

    Source: stage 2 of XBT (arXiv 2405.14715); the abstract gives no loss, which ones are chosen is up to a strategy.

    """

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
            raise ValueError("the captions of the pairs must be the first ones that the projection learns from")
        self.pairs = pairs
        self.upgrade = upgrade
        self.projection = projection
        self.losses = losses
        counts = torch.tensor([len(texts) for texts in pairs.captions])
        self._counts, self._first = counts, counts.cumsum(0) - counts
        self._tokens = self._index = self._told = torch.zeros(0)
        self._draw = torch.Generator()

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Looks up the images, and takes the captions to tokens; every model has its own."""
        old: Any = self.upgrade.old
        if old is None or not strategy.train_epochs:
            return
        with autocast_of(strategy):
            features, numbers = outputs_of(old.embed, session_batches(strategy, size=256))
        self._index = features[numbers.argsort()]
        self._tokens = strategy.model.tokenize(self.pairs.texts).to(strategy.device)
        self._told = self.projection.same.to(strategy.device)
        self._counts, self._first = self._counts.to(strategy.device), self._first.to(strategy.device)
        # A stream of its own: drawing captions does not disturb the order of the images.
        self._draw = torch.Generator().manual_seed(torch.initial_seed() + strategy.experience.current_experience)

    def before_backward(self, strategy: Any, **kwargs: Any) -> None:
        """Draws the captions, encodes them and adds the losses."""
        labels, model = strategy.mb_y, strategy.model
        # Drawn on the CPU, so that a seed draws the same everywhere; and nothing waits for the device.
        draw = torch.rand(len(labels), generator=self._draw).to(strategy.device, non_blocking=True)
        rows = self._first[labels] + (draw * self._counts[labels]).long()
        tokens = self._tokens[rows]
        if strategy.device.type == "cpu":
            tokens = model.cut(tokens)  # shorter than the longest of all; elsewhere its length would be waited for
        with autocast_of(strategy), parametrize.cached():
            texts = model.embed_text(tokens).float()
        assert self.projection.old_texts is not None
        old_images, old_texts = self._index[strategy.mb_y], self.projection.old_texts[rows]
        told = self._told[rows]
        batch = PairBatch(strategy.mb_output.float(), texts, old_images, old_texts, told[:, None] == told)
        for weight, loss in self.losses:
            strategy.loss = strategy.loss + weight * loss(batch)

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """What was looked up has done its work."""
        self._tokens = self._index = self._told = torch.zeros(0)

    def state_dict(self) -> dict[str, Any]:
        """How far the captions are drawn; the rest is looked up again."""
        return {"draw": self._draw.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What :meth:`state_dict` gave."""
        self._draw.set_state(state["draw"])
