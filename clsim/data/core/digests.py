"""Digests of single images, by which computed features are found again."""

from __future__ import annotations

import hashlib

from torch import Tensor

LENGTH = 16
"""Bytes of a digest: two different images with the same one are out of reach."""


def image_digests(pixels: Tensor) -> tuple[bytes, ...]:
    """Return the digest of each image: the first 16 bytes of the SHA-256 of its shape and its pixels.

    Equal images have equal digests, in any data set, order and place in memory.

    Args:
        pixels: Images, uint8 ``(N, 3, H, W)``.

    Example:
        >>> import torch
        >>> black, white = image_digests(torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 4, 4))
        >>> len(black), black == white
        (16, False)

    """
    start = hashlib.sha256(repr(tuple(pixels.shape[1:])).encode())
    found = []
    # One image after the other, so that a memory-mapped data set never lies in memory as a whole.
    for image in pixels.cpu().numpy():
        digest = start.copy()
        digest.update(image.tobytes())
        found.append(digest.digest()[:LENGTH])
    return tuple(found)
