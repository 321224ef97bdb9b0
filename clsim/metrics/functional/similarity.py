r"""Cosine similarities of queries and gallery, block by block, so that memory does not grow with either.

A similarity depends on its two vectors alone. Floating-point sums depend on their order, and the order in a matrix
product on where a row lies, so that equal vectors would come out a last digit apart. Hence unit vectors are rounded to
multiples of :math:`2^{-24}` and multiplied in float64: every product is a multiple of :math:`2^{-48}`, every sum of
them stays below 2, and so each is exact in any order. The exact cosine is then rounded to float32, once.

Imports torch where it computes, not where it is read: ``clsim list metrics`` stays light.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from clsim.metrics.functional.checks import Features, Labels, Own, as_count, as_labelled, as_tensor, check_widths

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 1 << 24
"""Similarities held at once unless told otherwise: 64 MiB of float32."""
GRID = 2.0**24
"""Steps of a unit vector's numbers from 0 to 1; every float16 up to 1 lies on one."""
TILE = 1 << 20
"""Similarities in float64 at once on the CPU: what its cache holds."""
NUMBERS = 1 << 18
"""Numbers that are scaled at once on the CPU."""
_HELD = ContextVar("similarities held at once", default=BLOCK)


@contextmanager
def holding(similarities: int) -> Iterator[None]:
    """A region in which everything that is compared holds about so many similarities at once, 4 bytes each.

    Only memory and time depend on it, no figure does.

    Raises:
        ValueError: less than one.
    """
    if similarities < 1:
        raise ValueError(f"at least one similarity is held at once; got {similarities}")
    token = _HELD.set(similarities)
    try:
        yield
    finally:
        _HELD.reset(token)


def held() -> int:
    """Similarities that may be held at once here."""
    return _HELD.get()


def unit_rows(features: Tensor, name: str | None = None) -> Tensor:
    r"""Return rows scaled to length 1, :math:`\hat f_i = f_i / \lVert f_i \rVert_2`, in steps of :math:`2^{-24}`.

    A row comes out the same wherever it lies and whatever its scale, as long as its numbers are finite. A row of zeros
    stays so.

    Args:
        features: ``(N, D)``, of any type of real numbers.
        name: Name of the features, for the message where some are not finite. Without it nothing is read from the
            device, and such a row comes out with NaN in it.

    Returns:
        ``(N, D)`` float32 on the device of ``features``, without gradient.

    Raises:
        ValueError: Rows with NaN or infinite numbers, if they have a name.

    Example:
        >>> import torch
        >>> unit_rows(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])

    """
    import torch

    features = features.detach()
    count, width = features.shape
    rows = torch.empty(count, width, dtype=torch.float32, device=features.device)
    largest = torch.empty(count, 1, dtype=torch.float64, device=features.device)
    step = max(1, NUMBERS // max(1, width)) if features.device.type == "cpu" else max(1, count)
    for start in range(0, count, step):
        part = slice(start, start + step)
        largest[part] = _scale(features[part], rows[part])
    if name is not None:
        check_finite(largest, name)
    return rows


def check_finite(features: Tensor, name: str) -> None:
    """Raise if rows of features hold a number that is not finite.

    Raises:
        ValueError: ``name``, the number of such rows, and the first of them.
    """
    broken = ~features.isfinite().all(dim=1)
    if count := int(broken.sum()):
        first = int(broken.long().argmax())
        raise ValueError(f"{name}: {count} of {len(features)} rows hold NaN or infinite numbers, the first is {first}")


def cosines(unit_query: Tensor, unit_gallery: Tensor) -> Tensor:
    """Return the cosines ``(Q, N)`` of rows of :func:`unit_rows`, exact before their one rounding to float32.

    Args:
        unit_query: ``(Q, D)``.
        unit_gallery: ``(N, D)``; as float64 it need not be converted each time.

    Returns:
        Float32 on the gallery's device, inside an autocast region too.
    """
    import torch

    device, gallery = unit_gallery.device, unit_gallery.double().T
    found = torch.empty(len(unit_query), len(unit_gallery), dtype=torch.float32, device=device)
    step = max(1, TILE // max(1, len(unit_gallery))) if device.type == "cpu" else max(1, len(unit_query))
    with torch.autocast(device.type, enabled=False):
        for start in range(0, len(unit_query), step):
            rows = unit_query[start : start + step].to(device, torch.float64)
            found[start : start + step] = rows.matmul(gallery)
    return found


def count_true(mask: Tensor) -> Tensor:
    """Return how many of each row are true, ``(q,)`` int64."""
    import numpy as np
    import torch

    # On the CPU numpy counts in a tenth of torch's time.
    if mask.device.type != "cpu":
        return mask.sum(dim=1)
    return torch.from_numpy(np.count_nonzero(mask.numpy(), axis=1))


def row_blocks(rows: int, columns: int, chunk: int | None = None) -> Iterator[slice]:
    """Slices that cover ``rows``, ``chunk`` at a time; ``None``: so many pairs as :func:`holding` says."""
    step = max(1, held() // max(1, columns))
    if chunk is not None:
        step = as_count(chunk, "chunk counts queries and is at least 1")
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def similarity_blocks(
    query: Features,
    query_labels: Labels,
    gallery: Features,
    gallery_labels: Labels,
    *,
    exclude_self: Own = False,
    chunk: int | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Goes through the queries and compares each with the whole gallery.

    Args:
        query: features ``(Q, D)``; need not be normalised.
        query_labels: class ids ``(Q,)``.
        gallery: features ``(N, D)``; need not be normalised.
        gallery_labels: class ids ``(N,)``.
        exclude_self: which gallery items each query is, see :func:`own_items`. Nothing is ever matched with itself.
        chunk: queries at a time.

    Yields:
        For each block of ``q`` queries the cosines ``(q, N)``, minus infinity between a query and itself, and a mask
        ``(q, N)`` of the items of the query's class, itself excepted; both on the gallery's device, the caller's to
        overwrite.

    Raises:
        ValueError: sizes do not fit together, there is no query or no gallery, features are not finite, labels are no
            integers, or a query and the gallery item it is said to be have different labels.

    """
    query, query_labels = as_labelled(query, query_labels, "query")
    gallery, gallery_labels = as_labelled(gallery, gallery_labels, "gallery")
    check_widths(query, gallery)
    device = gallery.device
    query_labels, gallery_labels = query_labels.to(device), gallery_labels.to(device)
    own = own_items(query_labels, gallery_labels, exclude_self)
    unit_query, unit_gallery = unit_rows(query, "query"), unit_rows(gallery, "gallery").double()
    for rows in row_blocks(len(query), len(gallery), chunk):
        similarity = cosines(unit_query[rows], unit_gallery)
        same = query_labels[rows, None] == gallery_labels
        if own is not None:
            row, place = (own[rows] >= 0).nonzero(as_tuple=True)
            items = own[rows][row, place]
            similarity[row, items] = -float("inf")
            same[row, items] = False
        yield similarity, same


def own_items(query_labels: Tensor, gallery_labels: Tensor, exclude_self: Own) -> Tensor | None:
    """Return the gallery items that each query is.

    Args:
        query_labels: class ids ``(Q,)``.
        gallery_labels: class ids ``(N,)``.
        exclude_self: ``True``: query ``i`` is gallery item ``i``. A tensor ``(Q,)``: query ``i`` is gallery item
            ``exclude_self[i]``, or none of them where that is negative. A tensor ``(Q, M)``: query ``i`` is each of
            the items ``exclude_self[i]``, copies of one image, whatever their labels are.

    Returns:
        ``(Q, M)`` on the gallery's device, negative for none; ``None`` where no query is in the gallery.

    Raises:
        ValueError: Another shape, an item that is not in the gallery, or one of another class than its query.

    """
    import numpy as np
    import torch

    queries, items = len(query_labels), len(gallery_labels)
    exclude_self = bool(exclude_self) if isinstance(exclude_self, np.bool_) else exclude_self
    if exclude_self is False:
        return None
    if exclude_self is True:
        if queries != items:
            raise ValueError(f"{queries} queries cannot be the {items} gallery items")
        own = torch.arange(queries, device=gallery_labels.device)
    else:
        own = as_tensor(exclude_self, "exclude_self").to(gallery_labels.device)
        if own.ndim not in (1, 2) or len(own) != queries or own.is_floating_point() or own.dtype == torch.bool:
            raise ValueError("exclude_self needs one index into the gallery for every query")
        if own.numel() and int(own.max()) >= items:
            raise ValueError(f"exclude_self names gallery items 0 to {items - 1}; got {int(own.max())}")
        own = own.long()
    if own.ndim == 2:
        return own
    known = own >= 0
    if not torch.equal(query_labels[known], gallery_labels[own[known]]):
        raise ValueError("a query and the gallery item that it is have different labels")
    return own[:, None]


def _scale(features: Tensor, rows: Tensor) -> Tensor:
    """Write unit rows to ``rows``, and return the largest number of each row, which is NaN or infinite if any is."""
    import torch

    numbers = features.to(torch.float64, copy=True)
    largest = numbers.abs().amax(dim=1, keepdim=True)
    numbers.div_(largest.where(largest > 0, 1.0))
    # Whole numbers that float64 adds without rounding, so that a length does not depend on the order of its sum.
    whole = 2.0 ** (52 - features.shape[1].bit_length())
    squares = numbers.square().mul_(whole).round_().sum(dim=1, keepdim=True).div_(whole)
    # The largest number is 1 by now; less is a row of zeros.
    rows.copy_(numbers.div_(squares.sqrt_().clamp_min_(1.0)).mul_(GRID).round_().div_(GRID))
    return largest
