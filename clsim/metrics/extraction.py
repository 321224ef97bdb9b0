"""Extraction of features to store."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from clsim.data.core.captioned import CaptionedImages
from clsim.data.core.images import Images
from clsim.metrics.functional.similarity import unit_rows
from clsim.models.frozen_backbone import FrozenBackbone
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
    backbone: FrozenBackbone | None = None,
) -> Tensor:
    r"""Return the features of all images as an index stores them: :math:`f / \lVert f \rVert_2` in float16.

    Images move to the device batch by batch. The device is synchronized once, at the end, to check that all features
    are finite.

    Args:
        embed: Map from images in [0, 1], ``(B, 3, H, W)`` on the device, to features ``(B, D)``, in evaluation mode.
        images: N images.
        device: Device on which ``embed`` computes.
        batch_size: Images per batch.
        precision: Precision of ``embed``: ``fp32``, or ``bf16`` or ``fp16`` under autocast.
        backbone: Frozen backbone whose features ``embed`` accepts in place of images; None: ``embed`` needs images.

    Returns:
        ``(N, D)`` float16 on the device.

    Raises:
        ValueError: ``embed`` does not return one row per image, or there are no images.
        NotFinite: Features are NaN or infinite.

    Example:
        >>> pixels = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
        >>> images = Images(pixels, torch.arange(4), ("a", "b", "c", "d"), "black")
        >>> extract_features(lambda batch: batch.mean((2, 3)), images).shape
        torch.Size([4, 3])

    """
    device = torch.device(device)
    rows = None if backbone is None else backbone.features_of(images, precision=precision).to(device)
    stored: Tensor | None = None
    for start in range(0, len(images), batch_size):
        part = slice(start, start + batch_size)
        if rows is None or backbone is None:
            batch = images.pixels[part].to(device, non_blocking=True).to(torch.float32).div_(255)
        else:
            batch = backbone.owned(rows[part])
        with autocast(device, precision):
            features = embed(batch)
        if features.ndim != 2 or len(features) != len(batch):
            raise ValueError(f"embed: expected features ({len(batch)}, D), got shape {tuple(features.shape)}")
        if stored is None:
            stored = torch.empty(len(images), features.shape[1], dtype=torch.float16, device=device)
        stored[start : start + len(batch)] = unit_rows(features)
    if stored is None:
        raise ValueError("images: expected at least one image, got none")
    check_stored(stored, "images")
    return stored


def check_stored(features: Tensor, what: str) -> None:
    """Raise if rows of features hold a number that is not finite.

    Args:
        features: Unit rows, ``(N, D)``.
        what: Plural noun for the items in the message.

    Raises:
        NotFinite: Rows hold NaN or infinite numbers.

    Example:
        >>> check_stored(torch.tensor([[float("nan")]]), "texts")  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        NotFinite: the model's features are NaN or infinite for 1 of 1 texts

    """
    if broken := int((~features.isfinite().all(dim=1)).sum()):
        raise NotFinite(f"the model's features are NaN or infinite for {broken} of {len(features)} {what}")
