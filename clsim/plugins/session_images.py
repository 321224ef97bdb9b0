"""The images of a session as they are, for plugins that look at them outside the training loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from clsim.streams.session import ResidentView
from clsim.training.loaders import ResidentBatches


def session_batches(strategy: Any, size: int = 500) -> Iterator[tuple[Tensor, Tensor]]:
    """Images in [0, 1] and class ids of the session under way, on the strategy's device, not augmented."""
    view = getattr(strategy.experience, "resident", None)
    if view is not None:
        yield from view_batches(strategy, view, size)
        return
    for images, labels, *_ in DataLoader(strategy.experience.dataset, size):
        yield images.to(strategy.device), labels.to(strategy.device)


@torch.no_grad()
def outputs_of(network: Callable[[Tensor], Tensor], batches: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """What a network, in evaluation mode already, makes of the batches: ``(N, D)`` float32, and their class ids."""
    found = [(network(images).float(), labels) for images, labels in batches]
    outputs, labels = (torch.cat(part) for part in zip(*found, strict=True))
    return outputs, labels


def view_batches(strategy: Any, view: ResidentView, size: int = 500) -> Iterator[tuple[Tensor, Tensor]]:
    """As :func:`session_batches`, of any resident view."""
    for pixels, labels, *_ in ResidentBatches(view, size):
        images = pixels.to(strategy.device)
        yield (images.float() / 255 if images.dtype == torch.uint8 else images), labels.to(strategy.device)
