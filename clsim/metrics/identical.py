"""Query images that are also in the gallery, pixel by pixel."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import torch
from torch import Tensor

from clsim.data.core.images import Images

PIXELS = 1 << 24
"""Pixels summed at once."""


def identical_items(query: Images, gallery: Images) -> Tensor | None:
    """Return the gallery items whose pixels equal those of each query.

    Args:
        query: Q query images.
        gallery: N gallery images.

    Returns:
        Gallery positions in ascending order, padded with -1, ``(Q, M)`` on the CPU; M is the largest number of copies
        of a query. ``None`` if no query is in the gallery.

    Example:
        >>> pixels = torch.arange(3, dtype=torch.uint8)[:, None, None, None].repeat(1, 3, 2, 2)
        >>> gallery = Images(pixels, torch.arange(3), ("a", "b", "c"), "gray")
        >>> query = Images(pixels[1:2], torch.tensor([1]), ("a", "b", "c"), "gray")
        >>> identical_items(query, gallery)
        tensor([[1]])

    """
    if query.pixels.shape[1:] != gallery.pixels.shape[1:]:
        return None
    sums = _sums(query.pixels), _sums(gallery.pixels)
    # Hashing is slow, so only images whose sum of pixels occurs on both sides are hashed.
    candidates = [torch.isin(one, other).nonzero().flatten() for one, other in (sums, sums[::-1])]
    items: dict[bytes, list[int]] = {}
    for item, digest in _digests(gallery.pixels, candidates[1]):
        items.setdefault(digest, []).append(item)
    found = {row: items[digest] for row, digest in _digests(query.pixels, candidates[0]) if digest in items}
    if not found:
        return None
    self_items = torch.full((len(query), max(map(len, found.values()))), -1)
    for row, positions in found.items():
        self_items[row, : len(positions)] = torch.tensor(positions)
    return self_items


def gallery_only_items(self_items: Tensor, items: int) -> Tensor:
    """Return the positions of gallery items that are not queries, in ascending order.

    Args:
        self_items: Gallery items that the queries are, as :func:`identical_items` returns them.
        items: Number of gallery items.

    Example:
        >>> gallery_only_items(torch.tensor([[2, -1], [0, 3]]), 6)
        tensor([1, 4, 5])

    """
    free = torch.ones(items, dtype=torch.bool)
    free[self_items[self_items >= 0].cpu()] = False
    return free.nonzero().flatten()


def _sums(pixels: Tensor) -> Tensor:
    step = max(1, PIXELS // max(1, pixels[0].numel())) if len(pixels) else 1
    parts = [part.flatten(1).sum(dim=1, dtype=torch.long).cpu() for part in pixels.split(step)]
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.long)


def _digests(pixels: Tensor, rows: Tensor) -> Iterator[tuple[int, bytes]]:
    for row in rows.tolist():
        yield row, hashlib.sha256(pixels[row].cpu().contiguous().numpy().data).digest()
