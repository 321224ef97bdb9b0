"""Batches cut from resident tensors by an index."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sized
from typing import Any, cast

import torch
from torch import Tensor

from clsim.streams.session import ResidentView
from clsim.training.budget import Pass


def length(loader: Any) -> int | None:
    """Return the number of batches of a loader, None where it does not know it.

    Example:
        >>> length([1, 2]), length(iter([1, 2]))
        (2, None)

    """
    try:
        return len(cast(Sized, loader))
    except TypeError:  # also from torch's own loader, for an endless data set
        return None


class ResidentBatches:
    """Iterates over a view in batches ``[pixels uint8, labels, task labels]`` on the device of its images.

    Args:
        view: Images, on the device where the batches are needed.
        batch_size: Images a batch; the last batch may be smaller.
        order: Generator that draws a new order for every pass; None keeps the order of the view.
        features: Function from positions in the data set to features, which stand in place of pixels where it returns
            any; None: always pixels.

    Example:
        >>> from clsim.data.core.images import Images
        >>> images = Images(torch.zeros(5, 3, 8, 8, dtype=torch.uint8), torch.arange(5), tuple("abcde"), "example")
        >>> [batch[1].tolist() for batch in ResidentBatches(ResidentView(images, torch.arange(5)), 2)]
        [[0, 1], [2, 3], [4]]

    """

    def __init__(
        self,
        view: ResidentView,
        batch_size: int,
        order: torch.Generator | None = None,
        *,
        features: Callable[[Tensor], Tensor | None] | None = None,
    ) -> None:
        self.view = view
        self.batch_size = batch_size
        self.order = order
        self.features = features

    @property
    def extent(self) -> Pass:
        """Extent of one pass."""
        return Pass(len(self.view), len(self), self.batch_size)

    def __len__(self) -> int:
        return -(-len(self.view) // self.batch_size)

    def __iter__(self) -> Iterator[list[Tensor]]:
        images, indices = self.view.images, self.view.indices
        if self.order is not None:
            indices = indices[torch.randperm(len(indices), generator=self.order)]
        indices = indices.to(images.pixels.device, non_blocking=True)
        labels = images.labels[indices]
        if not len(indices):
            return  # an empty tensor would be split into one empty batch
        # Cut all at once: making a view takes as long as a small addition.
        parts = (tensor.split(self.batch_size) for tensor in (indices, labels, torch.zeros_like(labels)))
        for chosen, answers, tasks in zip(*parts, strict=True):
            features = None if self.features is None else self.features(chosen)
            yield [images.pixels[chosen] if features is None else features, answers, tasks]
