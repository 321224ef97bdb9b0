r"""Exact cosine similarities of queries and gallery, block by block.

A similarity depends on its two vectors alone. Floating-point sums depend on their order, and a matrix product orders
them by the position of a row, so that equal vectors may differ in the last digit. Hence unit vectors are rounded to
multiples of :math:`2^{-24}` and multiplied in float64. Each product is then a multiple of :math:`2^{-48}` and each
sum stays below 2, so sums are exact in any order. The exact cosine is rounded to float32 once.

Imports torch only when it computes, which keeps ``clsim list metrics`` light.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from clsim.metrics.functional.checks import Features, Labels, SelfItems, as_count, as_labeled, as_tensor, check_widths

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 1 << 24
"""Default number of similarities held at once: 64 MiB of float32."""
GRID = 2.0**24
"""Steps between 0 and 1 to which unit vectors are rounded. Every float16 up to 1 lies on one."""
TILE = 1 << 20
"""Similarities per float64 product on the CPU, sized to fit its cache."""
NUMBERS = 1 << 18
"""Numbers normalized at once on the CPU."""
_LIMIT = ContextVar("similarities held at once", default=BLOCK)


@contextmanager
def limit_similarities(count: int) -> Iterator[None]:
    """Limit the number of similarities held at once inside the block, 4 bytes each.

    Affects memory and time only, never a figure.

    Args:
        count: Maximal number of similarities.

    Raises:
        ValueError: The number is below 1.

    Example:
        >>> with limit_similarities(1000):
        ...     max_similarities()
        1000

    """
    token = _LIMIT.set(as_count(count, "similarities"))
    try:
        yield
    finally:
        _LIMIT.reset(token)


def max_similarities() -> int:
    """Return the number of similarities that may be held at once.

    Example:
        >>> max_similarities() == BLOCK
        True

    """
    return _LIMIT.get()


def unit_rows(features: Tensor, name: str | None = None) -> Tensor:
    r"""Return rows scaled to length 1, :math:`\hat f_i = f_i / \lVert f_i \rVert_2`, rounded to :math:`2^{-24}`.

    The result for a row does not depend on its position or scale, as long as its numbers are finite. A row of zeros
    stays zero.

    Args:
        features: Features ``(N, D)`` of any real type.
        name: Name of the features for the message if some are not finite. ``None`` skips the check, which waits for
            the device, and returns NaN for such rows.

    Returns:
        ``(N, D)`` float32 on the device of ``features``, detached.

    Raises:
        ValueError: ``name`` is given and rows hold NaN or infinite numbers.

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
        ValueError: The message holds ``name``, the number of such rows and the first of them.

    Example:
        >>> import torch
        >>> check_finite(torch.tensor([[0.0], [float("nan")]]), "query")
        Traceback (most recent call last):
        ...
        ValueError: query: 1 of 2 rows hold NaN or infinite numbers, the first is row 1

    """
    broken = ~features.isfinite().all(dim=1)
    if count := int(broken.sum()):
        first = int(broken.long().argmax())
        raise ValueError(
            f"{name}: {count} of {len(features)} rows hold NaN or infinite numbers, the first is row {first}"
        )


def cosines(unit_query: Tensor, unit_gallery: Tensor) -> Tensor:
    """Return the cosines of :func:`unit_rows`, ``(Q, N)``, exact up to one rounding to float32.

    Args:
        unit_query: Unit rows of the queries, ``(Q, D)``.
        unit_gallery: Unit rows of the gallery, ``(N, D)``. Pass float64 to save the conversion.

    Returns:
        Float32 on the gallery's device, also under autocast.

    Example:
        >>> import torch
        >>> cosines(torch.eye(2), unit_rows(torch.tensor([[3.0, 4.0]])))
        tensor([[0.6000],
                [0.8000]])

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
    """Return the number of true entries of each row, ``(q,)`` int64.

    Example:
        >>> import torch
        >>> count_true(torch.tensor([[True, False], [True, True]]))
        tensor([1, 2])

    """
    import numpy as np
    import torch

    # On the CPU numpy counts ten times as fast as torch.
    if mask.device.type != "cpu":
        return mask.sum(dim=1)
    return torch.from_numpy(np.count_nonzero(mask.numpy(), axis=1))


def row_blocks(rows: int, columns: int, chunk: int | None = None) -> Iterator[slice]:
    """Yield slices that cover all rows of a similarity matrix.

    Args:
        rows: Number of rows.
        columns: Number of columns.
        chunk: Rows per slice. The default keeps a block below :func:`max_similarities`.

    Example:
        >>> list(row_blocks(5, 10, chunk=3))
        [slice(0, 3, None), slice(3, 5, None)]

    """
    step = max(1, max_similarities() // max(1, columns))
    if chunk is not None:
        step = as_count(chunk, "chunk")
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def similarity_blocks(
    query: Features,
    query_labels: Labels,
    gallery: Features,
    gallery_labels: Labels,
    *,
    exclude_self: SelfItems = False,
    chunk: int | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the similarities of queries to the whole gallery, a block of queries at a time.

    Args:
        query: Query features, ``(Q, D)``. They need not be normalized.
        query_labels: Class ids of the queries, ``(Q,)``.
        gallery: Gallery features, ``(N, D)``. They need not be normalized.
        gallery_labels: Class ids of the gallery, ``(N,)``.
        exclude_self: Gallery items that the queries are, see :func:`find_self_items`. A query never matches itself.
        chunk: Queries per block; see :func:`row_blocks` for the default.

    Yields:
        Cosines ``(q, N)``, minus infinity between a query and itself, and a mask ``(q, N)`` of the other items of the
        query's class. Both lie on the gallery's device, and the caller may overwrite them.

    Raises:
        ValueError: Shapes or types do not fit, an input is empty, features are not finite, or a query and the gallery
            item that it is differ in label.

    Example:
        >>> similarity, same = next(similarity_blocks([[1.0, 0.0]], [7], [[0.0, 2.0], [3.0, 0.0]], [7, 8]))
        >>> similarity.tolist(), same.tolist()
        ([[0.0, 1.0]], [[True, False]])

    """
    query, query_labels = as_labeled(query, query_labels, "query")
    gallery, gallery_labels = as_labeled(gallery, gallery_labels, "gallery")
    check_widths(query, gallery)
    device = gallery.device
    query_labels, gallery_labels = query_labels.to(device), gallery_labels.to(device)
    self_items = find_self_items(query_labels, gallery_labels, exclude_self)
    unit_query, unit_gallery = unit_rows(query, "query"), unit_rows(gallery, "gallery").double()
    for rows in row_blocks(len(query), len(gallery), chunk):
        similarity = cosines(unit_query[rows], unit_gallery)
        same = query_labels[rows, None] == gallery_labels
        if self_items is not None:
            row, column = (self_items[rows] >= 0).nonzero(as_tuple=True)
            items = self_items[rows][row, column]
            similarity[row, items] = -float("inf")
            same[row, items] = False
        yield similarity, same


def find_self_items(query_labels: Tensor, gallery_labels: Tensor, exclude_self: SelfItems) -> Tensor | None:
    """Return the gallery items that each query is.

    Args:
        query_labels: Class ids of the queries, ``(Q,)``.
        gallery_labels: Class ids of the gallery, ``(N,)``.
        exclude_self: ``True`` if query ``i`` is gallery item ``i``. A tensor ``(Q,)`` if query ``i`` is gallery item
            ``exclude_self[i]``; negative for none. A tensor ``(Q, M)`` if query ``i`` is each of the items
            ``exclude_self[i]``, copies of one image whose labels may differ.

    Returns:
        ``(Q, M)`` on the gallery's device, negative for none. ``None`` without exclusion.

    Raises:
        ValueError: The shape does not fit, an item is outside the gallery, or a query and its item differ in label.

    Example:
        >>> import torch
        >>> find_self_items(torch.tensor([4, 5]), torch.tensor([5, 4]), torch.tensor([1, -1]))
        tensor([[ 1],
                [-1]])

    """
    import numpy as np
    import torch

    queries, items = len(query_labels), len(gallery_labels)
    exclude_self = bool(exclude_self) if isinstance(exclude_self, np.bool_) else exclude_self
    if exclude_self is False:
        return None
    if exclude_self is True:
        if queries != items:
            raise ValueError(f"exclude_self=True needs as many queries as gallery items, got {queries} and {items}")
        found = torch.arange(queries, device=gallery_labels.device)
    else:
        found = as_tensor(exclude_self, "exclude_self").to(gallery_labels.device)
        if found.ndim not in (1, 2) or len(found) != queries or found.is_floating_point() or found.dtype == torch.bool:
            raise ValueError(f"exclude_self: expected integers ({queries},) or ({queries}, M), one row per query")
        if found.numel() and int(found.max()) >= items:
            raise ValueError(f"exclude_self: expected gallery items 0 to {items - 1}, got {int(found.max())}")
        found = found.long()
    if found.ndim == 2:
        return found
    known = found >= 0
    if not torch.equal(query_labels[known], gallery_labels[found[known]]):
        raise ValueError("exclude_self: a query and the gallery item that it is differ in label")
    return found[:, None]


def _scale(features: Tensor, rows: Tensor) -> Tensor:
    """Write unit rows to ``rows`` and return the largest number of each row, NaN or infinite if any is."""
    import torch

    numbers = features.to(torch.float64, copy=True)
    largest = numbers.abs().amax(dim=1, keepdim=True)
    numbers.div_(largest.where(largest > 0, 1.0))
    # Integers that float64 adds without rounding: the length does not depend on the order of its sum.
    whole = 2.0 ** (52 - features.shape[1].bit_length())
    squares = numbers.square().mul_(whole).round_().sum(dim=1, keepdim=True).div_(whole)
    # The largest number is 1 by now; below 1 is only a row of zeros.
    rows.copy_(numbers.div_(squares.sqrt_().clamp_min_(1.0)).mul_(GRID).round_().div_(GRID))
    return largest
