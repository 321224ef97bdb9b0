"""Time that a model takes to embed images, measured on a sample."""

from __future__ import annotations

from time import perf_counter

from clsim.utils.errors import UserError

LEAST_SECONDS = 2.0
"""Time to measure."""
BATCH = 32
"""Images of a batch."""


def seconds_per_1000(model: str, least_seconds: float = LEAST_SECONDS) -> float:
    """Return the seconds in which a packaged image model embeds 1,000 images on this machine.

    Args:
        model: Name of a packaged model, such as ``tf_efficientnet_lite2``.
        least_seconds: Time to measure, after one batch that does not count.

    Raises:
        UserError: The name is unknown, or its package is not installed.

    """
    import torch

    from clsim.models.pretrained import PACKAGED, load_backbone, trained_size
    from clsim.utils.text import suggestion

    if model not in PACKAGED:
        raise UserError(f"unknown model {model!r}", where="--model", fix=suggestion(model, PACKAGED))
    network, side = load_backbone(model, weights="registry"), trained_size(model)
    assert side is not None  # a packaged model has one
    batch = torch.rand(BATCH, 3, side, side)
    with torch.no_grad():
        network(batch)
        start, count = perf_counter(), 0
        while perf_counter() - start < least_seconds:
            network(batch)
            count += BATCH
        return (perf_counter() - start) * 1000 / count
