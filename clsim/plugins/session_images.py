"""Images of a session without augmentation, for plugins that read them outside the training loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from clsim.models.protocols import frozen_backbone
from clsim.streams.session import ResidentView, resident_view
from clsim.training.loaders import ResidentBatches
from clsim.utils.device import precision_of
from clsim.utils.template import Template


def session_batches(strategy: Template, size: int = 500, *, model: object = None) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield images in [0, 1] and class ids of the present session, on the strategy's device.

    Args:
        strategy: Template during a session.
        size: Images a batch.
        model: Model that reads the batches: features stand in place of images if it accepts them; None: always images.

    """
    view = resident_view(strategy.experience)
    if view is not None:
        yield from view_batches(strategy, view, size, model=model)
        return
    for images, labels, *_ in DataLoader(strategy.experience.dataset, size):
        yield images.to(strategy.device), labels.to(strategy.device)


@torch.no_grad()
def outputs_of(network: Callable[[Tensor], Tensor], batches: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Return the outputs of a network ``(N, D)`` in float32 and the class ids ``(N,)``.

    Args:
        network: Network in evaluation mode.
        batches: Pairs of images and class ids.

    Example:
        >>> outputs_of(torch.nn.Flatten(), [(torch.ones(2, 3, 1, 1), torch.tensor([4, 5]))])
        (tensor([[1., 1., 1.],
                [1., 1., 1.]]), tensor([4, 5]))

    """
    found = [(network(images).float(), labels) for images, labels in batches]
    outputs, labels = (torch.cat(part) for part in zip(*found, strict=True))
    return outputs, labels


def view_batches(
    strategy: Template, view: ResidentView, size: int = 500, *, model: object = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield images or features and class ids of a resident view, see :func:`session_batches`."""
    backbone = frozen_backbone(model)
    if backbone is not None and len(view):
        rows = backbone.features_of(view.images, view.indices, precision=precision_of(strategy)).to(strategy.device)
        for part, labels in zip(rows.split(size), view.labels.to(strategy.device).split(size), strict=True):
            yield backbone.owned(part), labels
        return
    for pixels, labels, *_ in ResidentBatches(view, size):
        images = pixels.to(strategy.device)
        yield (images.float() / 255 if images.dtype == torch.uint8 else images), labels.to(strategy.device)
