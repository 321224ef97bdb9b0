"""Features to store: one pass over a set of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from clsim.data.core.captioned import CaptionedImages
from clsim.data.core.images import Images
from clsim.metrics.functional.similarity import unit_rows
from clsim.utils.device import autocast
from clsim.utils.errors import NotFinite


@torch.no_grad()
def extract_features(
    embed: Callable[[Tensor], Tensor],
    images: Images | CaptionedImages,
    *,
    device: torch.device | str = "cpu",
    batch_size: int = 256,
    precision: str = "fp32",
) -> Tensor:
    r"""Features of all images as an index stores them: :math:`f / \lVert f \rVert_2`, rounded to float16.

    The images stay where they are and go to the device batch by batch. The device is waited for once, at the end, to
    see whether all features are finite.

    Args:
        embed: images in [0, 1], ``(B, 3, H, W)`` on the device, to ``(B, D)``; in evaluation mode already.
        images: N of them.
        device: where ``embed`` computes.
        batch_size: images a batch.
        precision: ``bf16`` runs ``embed`` under autocast.

    Returns:
        ``(N, D)``, float16, on the device.

    Raises:
        ValueError: ``embed`` gives something else than one row for every image.
        NotFinite: Features are NaN or infinite.

    """
    device = torch.device(device)
    stored: Tensor | None = None
    for start in range(0, len(images), batch_size):
        batch = images.pixels[start : start + batch_size].to(device, non_blocking=True)
        with autocast(device, precision):
            features: Any = embed(batch.to(torch.float32).div_(255))
        if features.ndim != 2 or len(features) != len(batch):
            raise ValueError(f"embed must give ({len(batch)}, D) for {len(batch)} images, not {tuple(features.shape)}")
        if stored is None:
            stored = torch.empty(len(images), features.shape[1], dtype=torch.float16, device=device)
        stored[start : start + len(batch)] = unit_rows(features)
    if stored is None:
        raise ValueError("there are no images to extract features from")
    check_stored(stored, "images")
    return stored


def check_stored(features: Tensor, what: str) -> None:
    """Raise if rows of features hold a number that is not finite.

    Args:
        features: Rows as :func:`~clsim.metrics.functional.similarity.unit_rows` gives them, ``(N, D)``.
        what: Plural name of what the rows are of, for the message.

    Raises:
        NotFinite: Rows that are NaN or infinite.
    """
    if broken := int((~features.isfinite().all(dim=1)).sum()):
        raise NotFinite(f"the model's features are NaN or infinite for {broken} of {len(features)} {what}")
