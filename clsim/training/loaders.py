"""Batches cut from resident tensors: an index and no more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from clsim.streams.session import ResidentView


def length(loader: Any) -> int | None:
    """Return the number of batches that a loader yields; ``None`` where it does not know."""
    try:
        return len(loader)
    except TypeError:  # torch's own loader has a length, which an endless data set does not
        return None


class ResidentBatches:
    """Iterates over a view in batches ``[pixels uint8, labels, task labels]`` on its images' device.

    Args:
        view: the images; they must lie where the batches are wanted.
        batch_size: images a batch; the last one may be smaller.
        order: draws the order of every pass; ``None`` keeps the order of the view.

    """

    def __init__(self, view: ResidentView, batch_size: int, order: torch.Generator | None = None) -> None:
        self.view = view
        self.batch_size = batch_size
        self.order = order

    def __len__(self) -> int:
        return -(-len(self.view) // self.batch_size)

    def __iter__(self) -> Iterator[list[Tensor]]:
        images, indices = self.view.images, self.view.indices
        if self.order is not None:
            indices = indices[torch.randperm(len(indices), generator=self.order)]
        indices = indices.to(images.pixels.device, non_blocking=True)
        labels = images.labels[indices]
        if not len(indices):
            return  # nothing would be split into one batch of nothing
        # Cut all at once: a view takes as long to make as a small addition.
        parts = (tensor.split(self.batch_size) for tensor in (indices, labels, torch.zeros_like(labels)))
        for chosen, answers, tasks in zip(*parts, strict=True):
            yield [images.pixels[chosen], answers, tasks]
