"""Rehearsal: a few images of every class seen so far, mixed with the new ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor

from clsim.plugins.session_images import view_batches
from clsim.plugins.state import AttributeState
from clsim.streams.session import ResidentView, resident_view
from clsim.training.budget import Pass
from clsim.training.phases import Phase
from clsim.training.resident import ResidentData
from clsim.utils.arguments import Whole, checked
from clsim.utils.template import Template


class RehearsalBatches:
    """Batches of remembered and new images, half of each, drawn without repetition within the batch.

    Every batch draws from all images of both kinds, so an epoch may show some images twice and skip others. It has
    the batches of new and remembered images together. Without memory an epoch is one pass in whole batches.

    Args:
        new: Images of the session.
        memory: Indices of the remembered images in the same set; may be empty.
        batch_size: Images a batch.
        order: Generator of all draws.
        as_bytes: Whether pixels stay bytes, which clsim's strategies accept; else floats in [0, 1].
        features: Function from positions in the data set to features, which stand in place of pixels where it returns
            any; None: always pixels.

    Source: arXiv 2405.02581, ``dataset_utils.py`` of the authors' code.

    """

    def __init__(
        self,
        new: ResidentView,
        memory: Tensor,
        batch_size: int,
        order: torch.Generator,
        *,
        as_bytes: bool = True,
        features: Callable[[Tensor], Tensor | None] | None = None,
    ) -> None:
        self.new = new
        self.memory = memory
        self.batch_size = batch_size
        self.order = order
        self.as_bytes = as_bytes
        self.features = features

    @property
    def extent(self) -> Pass:
        """Extent of one pass; a batch is smaller than ``batch_size`` where there are few images."""
        if len(self.memory) == 0:
            return Pass(min(len(self.new), len(self) * self.batch_size), len(self), self.batch_size)
        half = self.batch_size // 2
        images = min(half, len(self.memory)) + min(self.batch_size - half, len(self.new))
        return Pass(len(self) * images, len(self), images)

    def __len__(self) -> int:
        return max(1, (len(self.new) + len(self.memory)) // self.batch_size)

    def __iter__(self) -> Iterator[list[Tensor]]:
        images = self.new.images
        for indices in self._indices():
            rows = indices.to(images.pixels.device, non_blocking=True)
            batch = None if self.features is None else self.features(indices)
            if batch is None:
                batch = images.pixels[rows] if self.as_bytes else images.pixels[rows].float() / 255
            labels = images.labels[rows]
            yield [batch, labels, torch.zeros_like(labels)]

    def _indices(self) -> Iterator[Tensor]:
        if len(self.memory) == 0:
            shuffled = self.new.indices[torch.randperm(len(self.new), generator=self.order)]
            yield from shuffled[: len(self) * self.batch_size].split(self.batch_size)
            return
        half = self.batch_size // 2
        for _ in range(len(self)):
            remembered = self.memory[torch.randperm(len(self.memory), generator=self.order)[:half]]
            fresh = torch.randperm(len(self.new), generator=self.order)[: self.batch_size - half]
            batch = torch.cat([remembered, self.new.indices[fresh]])
            # Shuffled: each worker or device normalizes a contiguous part, which should contain both kinds.
            yield batch[torch.randperm(len(batch), generator=self.order)]


class Rehearsal(AttributeState, SupervisedPlugin[Any]):
    """Remembers images of each class, chosen once at the end of its session, and mixes them into every batch.

    It needs a clsim stream, whose sessions name their images by index; it stores these indices only. Generators of its
    own, derived from the global seed, choose and order the images.

    Args:
        per_class: Images to remember of each class.

    Attributes:
        chosen: Indices into the data set's training images, by class id.

    Example:
        >>> Rehearsal(per_class=20).indices
        tensor([], dtype=torch.int64)

    """

    phase: ClassVar[Phase] = Phase.DATA
    state_names: ClassVar[tuple[str, ...]] = ("chosen", "choice", "order")

    @checked
    def __init__(self, per_class: Whole = 20) -> None:
        super().__init__()
        self.per_class = per_class
        self.chosen: dict[int, Tensor] = {}
        self.choice = torch.Generator().manual_seed(torch.initial_seed() + 1)
        self.order = torch.Generator().manual_seed(torch.initial_seed() + 2)

    @property
    def indices(self) -> Tensor:
        """Indices of all remembered images."""
        return torch.cat(list(self.chosen.values())) if self.chosen else torch.zeros(0, dtype=torch.long)

    def before_training_exp(self, strategy: Template, **kwargs: Any) -> None:
        """Replace the loader."""
        view, as_bytes, features = self._view(strategy), isinstance(strategy, ResidentData), None
        if isinstance(strategy, ResidentData):
            shown = ResidentView(_resident(strategy).images, torch.cat([self.indices, view.indices]))
            features = strategy.served_features(shown)
        strategy.dataloader = RehearsalBatches(
            view, self.indices, strategy.train_mb_size, self.order, as_bytes=as_bytes, features=features
        )

    def after_training_exp(self, strategy: Template, **kwargs: Any) -> None:
        """Choose images of the session's classes."""
        view = _resident(strategy)
        labels = view.labels.cpu()  # where the indices are, wherever the images are
        for label in sorted(strategy.experience.classes_in_this_experience):
            of_class = view.indices[labels == label]
            drawn = torch.randperm(len(of_class), generator=self.choice)[: self.per_class]
            self.chosen[label] = of_class[drawn]

    def batches(self, strategy: Template, *, model: object = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the remembered images in [0, 1] and their class ids, not augmented.

        Args:
            strategy: Template during a session.
            model: Model that reads the batches, see :func:`~clsim.plugins.session_images.session_batches`.

        """
        if self.chosen:
            view = ResidentView(self._view(strategy).images, self.indices)
            yield from view_batches(strategy, view, model=model)

    def _view(self, strategy: Template) -> ResidentView:
        view = _resident(strategy)
        return strategy.resident(view) if isinstance(strategy, ResidentData) else view


def _resident(strategy: Template) -> ResidentView:
    view = resident_view(strategy.experience)
    if view is None:
        session = type(strategy.experience).__name__
        raise TypeError(f"Rehearsal needs a session of a clsim stream, not a {session}; use Avalanche's ReplayPlugin")
    return view
