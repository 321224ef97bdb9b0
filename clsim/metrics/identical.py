"""Queries that are in the gallery too: the same image, pixel by pixel."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import torch
from torch import Tensor

from clsim.data.core.images import Images

AT_ONCE = 1 << 24
"""Pixels that are summed at once."""


def identical_items(query: Images, gallery: Images) -> Tensor | None:
    """Return the gallery items whose pixels are those of each query.

    Args:
        query: Q images.
        gallery: N images.

    Returns:
        Positions in the gallery, ``(Q, M)`` on the CPU, rising, with -1 behind; M is the most copies that a query has.
        ``None`` where no query is in the gallery.

    """
    if query.pixels.shape[1:] != gallery.pixels.shape[1:]:
        return None
    sums = _sums(query.pixels), _sums(gallery.pixels)
    # Hashes take long: only of images whose sum of pixels stands on the other side too.
    alike = [torch.isin(one, other).nonzero().flatten() for one, other in (sums, sums[::-1])]
    items: dict[bytes, list[int]] = {}
    for item, digest in _digests(gallery.pixels, alike[1]):
        items.setdefault(digest, []).append(item)
    found = {row: items[digest] for row, digest in _digests(query.pixels, alike[0]) if digest in items}
    if not found:
        return None
    own = torch.full((len(query), max(map(len, found.values()))), -1)
    for row, places in found.items():
        own[row, : len(places)] = torch.tensor(places)
    return own


def others_of(own: Tensor, items: int) -> Tensor:
    """Return the gallery items that no query is, as positions in rising order.

    Args:
        own: Items that the queries are, as :func:`identical_items` returns them.
        items: Number of gallery items.

    Example:
        >>> others_of(torch.tensor([[2, -1], [0, 3]]), 6)
        tensor([1, 4, 5])

    """
    free = torch.ones(items, dtype=torch.bool)
    free[own[own >= 0].cpu()] = False
    return free.nonzero().flatten()


def _sums(pixels: Tensor) -> Tensor:
    step = max(1, AT_ONCE // max(1, pixels[0].numel())) if len(pixels) else 1
    parts = [part.flatten(1).sum(dim=1, dtype=torch.long).cpu() for part in pixels.split(step)]
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.long)


def _digests(pixels: Tensor, rows: Tensor) -> Iterator[tuple[int, bytes]]:
    for row in rows.tolist():
        yield row, hashlib.sha256(pixels[row].cpu().contiguous().numpy().data).digest()
