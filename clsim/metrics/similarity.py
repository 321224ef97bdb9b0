"""Cosine similarities of queries and gallery, block by block, so that memory does not grow with either.

Imports torch where it computes, not where it is read: ``clsim list metrics`` stays light.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 1 << 24
"""Similarities held at once unless told otherwise: 64 MiB of float32."""
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


def unit_rows(features: Tensor) -> Tensor:
    r"""Rows scaled to length 1, :math:`\hat f_i = f_i / \lVert f_i \rVert_2`, in float32.

    A row of zeros stays so, and one that holds a NaN or an infinity becomes zeros: its similarity to everything is 0,
    and a broken model scores badly instead of stopping an evaluation.

    Args:
        features: ``(N, D)``, of any floating type.

    Returns:
        ``(N, D)`` float32 on the device of ``features``, without gradient.

    Example:
        >>> import torch
        >>> unit_rows(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])

    """
    features = features.detach().float()
    lengths: Tensor = features.norm(dim=1, keepdim=True)
    return (features / lengths.clamp_min(1e-12)).nan_to_num_(nan=0.0)


def cosines(query: Tensor, unit_gallery: Tensor) -> Tensor:
    """``(Q, N)`` cosines of queries ``(Q, D)`` with a gallery ``(N, D)`` that went through :func:`unit_rows`.

    On the gallery's device, and in float32 even inside an autocast region.
    """
    import torch

    with torch.autocast(unit_gallery.device.type, enabled=False):
        return unit_rows(query.to(unit_gallery.device)).matmul(unit_gallery.T)


def row_blocks(rows: int, columns: int, chunk: int | None = None) -> Iterator[slice]:
    """Slices that cover ``rows``, ``chunk`` at a time; ``None``: so many pairs as :func:`holding` says."""
    step = max(1, held() // max(1, columns)) if chunk is None else chunk
    if step < 1:
        raise ValueError(f"chunk counts queries and is at least 1; got {chunk}")
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def similarity_blocks(
    query: Tensor,
    query_labels: Tensor,
    gallery: Tensor,
    gallery_labels: Tensor,
    *,
    exclude_self: bool | Tensor = False,
    chunk: int | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Goes through the queries and compares each with the whole gallery.

    Args:
        query: features ``(Q, D)``; need not be normalised.
        query_labels: class ids ``(Q,)``.
        gallery: features ``(N, D)``; need not be normalised.
        gallery_labels: class ids ``(N,)``.
        exclude_self: ``True``: query ``i`` is gallery item ``i``. A tensor ``(Q,)``: query ``i`` is gallery item
            ``exclude_self[i]``, or none of them where that is negative. Nothing is ever matched with itself.
        chunk: queries at a time.

    Yields:
        For each block of ``q`` queries the cosines ``(q, N)``, minus infinity between a query and itself, and a mask
        ``(q, N)`` of the items of the query's class, itself excepted; both on the gallery's device, the caller's to
        overwrite.

    Raises:
        ValueError: sizes do not fit together, there is no query or no gallery, or a query and the gallery item it
            is said to be have different labels.

    """
    check_features(query, query_labels, "query")
    check_features(gallery, gallery_labels, "gallery")
    if query.shape[1] != gallery.shape[1]:
        raise ValueError(f"features of {query.shape[1]} and {gallery.shape[1]} numbers cannot be compared")
    device = gallery.device
    unit_gallery, query_labels, gallery_labels = unit_rows(gallery), query_labels.to(device), gallery_labels.to(device)
    own = own_items(query_labels, gallery_labels, exclude_self)
    for rows in row_blocks(len(query), len(gallery), chunk):
        similarity = cosines(query[rows], unit_gallery)
        same = query_labels[rows, None] == gallery_labels
        if own is not None:
            known = (own[rows] >= 0).nonzero().squeeze(1)
            similarity[known, own[rows][known]] = -float("inf")
            same[known, own[rows][known]] = False
        yield similarity, same


def check_widths(query: Tensor, gallery: Tensor) -> None:
    """Refuses what is not ``(Q, D)`` and ``(N, D)`` features of one width, ``Q`` and ``N`` at least 1.

    Raises:
        ValueError: naming both shapes.
    """
    if query.ndim != 2 or gallery.ndim != 2 or query.shape[1] != gallery.shape[1] or not len(query) * len(gallery):
        raise ValueError(f"features of one width are needed: {tuple(query.shape)} and {tuple(gallery.shape)}")


def check_features(features: Tensor, labels: Tensor, name: str) -> None:
    """Refuses what is not ``(N, D)`` features with ``(N,)`` labels, ``N`` at least 1.

    Raises:
        ValueError: naming ``name``.
    """
    if features.ndim != 2 or labels.shape != features.shape[:1]:
        raise ValueError(
            f"{name}: expected features (N, D) and labels (N,); got {tuple(features.shape)} and {tuple(labels.shape)}"
        )
    if not len(features):
        raise ValueError(f"{name}: no features")


def own_items(query_labels: Tensor, gallery_labels: Tensor, exclude_self: bool | Tensor) -> Tensor | None:
    """The gallery item that each query is, ``(Q,)``, negative for none; ``None`` where no query is in the gallery."""
    import torch

    if exclude_self is False:
        return None
    if exclude_self is True:
        if len(query_labels) != len(gallery_labels):
            raise ValueError(f"{len(query_labels)} queries cannot be the {len(gallery_labels)} gallery items")
        own = torch.arange(len(query_labels), device=gallery_labels.device)
    else:
        own = exclude_self.to(gallery_labels.device)
        if own.shape != query_labels.shape or int(own.max()) >= len(gallery_labels):
            raise ValueError("exclude_self needs one index into the gallery for every query")
    known = own >= 0
    if not torch.equal(query_labels[known], gallery_labels[own[known]]):
        raise ValueError("a query and the gallery item that it is have different labels")
    return own
