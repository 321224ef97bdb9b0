"""A few images of every class seen, shown again beside the new ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor

from clsim.plugins.session_images import view_batches
from clsim.streams.session import ResidentView
from clsim.utils.arguments import Whole, checked


class RehearsalBatches:
    """Batches of which one half is remembered and the other new, each drawn without repetition within the batch.

    Every batch is drawn anew from the whole of both, so that an epoch shows some images twice and others not at all;
    it has as many batches as fit into new and remembered images together. Without memory an epoch is one pass in
    whole batches.

    Args:
        new: the session's images.
        memory: the remembered ones, of the same set of images; may be empty.
        batch_size: images a batch.
        order: draws.
        as_bytes: pixels as they are stored, which clsim's strategies take; else floats in [0, 1].

    Source: arXiv 2405.02581, ``dataset_utils.py`` of the authors' code.

    """

    def __init__(
        self, new: ResidentView, memory: Tensor, batch_size: int, order: torch.Generator, *, as_bytes: bool = True
    ) -> None:
        self.new = new
        self.memory = memory
        self.batch_size = batch_size
        self.order = order
        self.as_bytes = as_bytes

    def __len__(self) -> int:
        return max(1, (len(self.new) + len(self.memory)) // self.batch_size)

    def __iter__(self) -> Iterator[list[Tensor]]:
        images = self.new.images
        for indices in self._indices():
            rows = indices.to(images.pixels.device, non_blocking=True)
            pixels, labels = images.pixels[rows], images.labels[rows]
            yield [pixels if self.as_bytes else pixels.float() / 255, labels, torch.zeros_like(labels)]

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
            # Mixed, because lanes and devices each take a stretch of the batch, and batch normalisation with them.
            yield batch[torch.randperm(len(batch), generator=self.order)]


class Rehearsal(SupervisedPlugin[Any]):
    """Remembers images of each class, chosen once when the class has been learnt, and mixes them into every batch.

    Needs a clsim stream, whose sessions name their images by index: that is all it stores. Choice and order come from
    generators of their own, derived from the global seed.

    Args:
        per_class: images a class.

    Attributes:
        chosen: class id to indices into the data set's training images.

    """

    @checked
    def __init__(self, per_class: Whole = 20) -> None:
        super().__init__()
        self.per_class = per_class
        self.chosen: dict[int, Tensor] = {}
        self.choice = torch.Generator().manual_seed(torch.initial_seed() + 1)
        self.order = torch.Generator().manual_seed(torch.initial_seed() + 2)

    @property
    def indices(self) -> Tensor:
        """All remembered images."""
        return torch.cat(list(self.chosen.values())) if self.chosen else torch.zeros(0, dtype=torch.long)

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Brings its own loader."""
        view, ours = self._view(strategy), hasattr(strategy, "resident")
        strategy.dataloader = RehearsalBatches(view, self.indices, strategy.train_mb_size, self.order, as_bytes=ours)

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Chooses images of the classes just learnt."""
        view: ResidentView = strategy.experience.resident
        labels = view.labels.cpu()  # as its indices are, wherever the images lie
        for label in sorted(strategy.experience.classes_in_this_experience):
            of_class = view.indices[labels == label]
            drawn = torch.randperm(len(of_class), generator=self.choice)[: self.per_class]
            self.chosen[label] = of_class[drawn]

    def batches(self, strategy: Any) -> Iterator[tuple[Tensor, Tensor]]:
        """The remembered images in [0, 1] and their class ids, not augmented."""
        if self.chosen:
            yield from view_batches(strategy, ResidentView(self._view(strategy).images, self.indices))

    def _view(self, strategy: Any) -> ResidentView:
        view = getattr(strategy.experience, "resident", None)
        if not isinstance(view, ResidentView):
            raise TypeError("Rehearsal needs a clsim stream; for others there is Avalanche's ReplayPlugin")
        return strategy.resident(view) if hasattr(strategy, "resident") else view
