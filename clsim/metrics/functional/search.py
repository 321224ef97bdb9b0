"""The nearest items of a gallery, however large it is.

Candidates are found by float32 products; they are then put in order by the exact cosine. Imports torch where it
computes, not where it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from clsim.metrics.functional.checks import Features, as_count, as_features, check_widths
from clsim.metrics.functional.similarity import cosines, held, unit_rows

if TYPE_CHECKING:
    from torch import Tensor

LARGE = 1_000_000
"""Beyond so many items FAISS searches, where it is installed."""
ITEMS = 1 << 15
"""Gallery items that are looked at together by torch."""
FAISS_ITEMS = 1 << 18
"""And by FAISS, which makes blocks of its own: 128 MiB of float32 features of 128 numbers."""
SPARE = 8
"""Candidates beyond those asked for: with them it shows that no other item comes near."""
NUMBERS = 1 << 22
"""Numbers of candidates that are looked at together."""

Engine = Literal["auto", "torch", "faiss"]


def nearest(
    query: Features,
    gallery: Features,
    k: int = 100,
    *,
    engine: Engine = "auto",
    block: int | None = None,
) -> tuple[Tensor, Tensor]:
    r"""The ``k`` gallery items with the greatest cosine to each query, found by comparing with all of them.

    .. math:: \operatorname{arg\,top}_k \{ \cos(q_i, g_n) : n = 1 \dots N \}

    Equally similar items come in the order of the gallery. Memory does not grow with the gallery beyond the features
    themselves: these may be float16, or memory-mapped, and are made unit length a block at a time.

    Args:
        query: features ``(Q, D)``.
        gallery: features ``(N, D)``.
        k: how many, at most ``N``.
        engine: ``torch``; ``faiss``, on the CPU; or ``auto``: ``faiss`` for more than :data:`LARGE` items on the CPU
            where it is installed (``pip install 'clsim[retrieval]'``), else ``torch``. Both compare with every item,
            and give the same.
        block: similarities that torch holds at once, 4 bytes each; by default as many as
            :func:`~clsim.metrics.functional.similarity.holding` says.

    Returns:
        Cosines, falling, ``(Q, k)`` float32, and the items' positions, ``(Q, k)`` int64, on the query's device.

    Raises:
        ValueError: widths differ, ``k``, ``block`` or ``engine`` is none of those, there is nothing to compare, or
            features are not finite.
        ModuleNotFoundError: FAISS is asked for and is not installed.

    Example:
        >>> import torch
        >>> similarity, items = nearest(torch.tensor([[1.0, 0.1]]), torch.tensor([[0.0, 1.0], [2.0, 0.0]]), k=1)
        >>> items.tolist()
        [[1]]

    """
    query, gallery = as_features(query, "query"), as_features(gallery, "gallery")
    check_widths(query, gallery)
    rule = f"k counts gallery items from 1 to {len(gallery)}"
    if (k := as_count(k, rule)) > len(gallery):
        raise ValueError(f"{rule}; got {k}")
    block = held() if block is None else as_count(block, "block counts similarities and is at least 1")
    if engine not in ("auto", "torch", "faiss"):
        raise ValueError(f"engine must be 'auto', 'torch' or 'faiss'; got {engine!r}")
    device, unit_query = query.device, unit_rows(query, "query")
    by_faiss = engine == "faiss" or (
        engine == "auto" and len(gallery) > LARGE and device.type == "cpu" and find_spec("faiss") is not None
    )
    about, items = _candidates(unit_query, gallery, min(k + SPARE, len(gallery)), block, by_faiss)
    last = about[:, -1]
    similarity, items, error = _in_order(unit_query, gallery, about, items)
    similarity, items = similarity[:, :k], items[:, :k]
    if about.shape[1] < len(gallery):
        # A sum of D products in float32 is at most so far from the exact one, in any order.
        bound = (query.shape[1] + 2) * 2.0**-23
        near = similarity[:, -1] <= last + bound  # an item that is no candidate may belong here
        if float(error) > bound:
            near[:] = True  # the products were of less precision, such as TF32
        if bool(near.any()):
            asked = near.nonzero().squeeze(1)
            similarity[asked], items[asked] = _of_all(unit_query[asked], gallery, k, block)
    return similarity.contiguous(), items.contiguous()


def _parts(gallery: Tensor, like: Tensor, step: int) -> Iterator[tuple[int, Tensor]]:
    """Yield unit rows of the gallery on a device, and the position of the first of them."""
    for start in range(0, len(gallery), step):
        yield start, unit_rows(gallery[start : start + step].to(like.device), "gallery")


def _candidates(query: Tensor, gallery: Tensor, count: int, block: int, by_faiss: bool) -> tuple[Tensor, Tensor]:
    """Return the greatest cosines ``(Q, count)`` as float32 products give them, falling, and their items."""
    import torch

    best = query.new_full((len(query), 0), 0.0)
    items = torch.empty(len(query), 0, dtype=torch.long, device=query.device)
    for start, part in _parts(gallery, query, FAISS_ITEMS if by_faiss else ITEMS):
        parts = [_by_faiss(query, part, count)] if by_faiss else list(_by_torch(query, part, count, block))
        similarity, found = (torch.cat(column) for column in zip(*parts, strict=True))
        best, items = torch.cat([best, similarity], dim=1), torch.cat([items, found + start], dim=1)
        best, order = best.topk(min(count, best.shape[1]), dim=1)
        items = items.gather(1, order)
    return best, items


def _by_torch(query: Tensor, part: Tensor, k: int, block: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The nearest of a part, for a number of queries at a time."""
    import torch

    for rows in query.split(max(1, block // len(part))):
        with torch.autocast(query.device.type, enabled=False):
            similarity, found = rows.matmul(part.T).topk(min(k, len(part)), dim=1)
        yield similarity, found


def _by_faiss(query: Tensor, part: Tensor, k: int) -> tuple[Tensor, Tensor]:
    import faiss
    import torch

    similarity, found = faiss.knn(
        query.cpu().numpy(), part.cpu().numpy(), min(k, len(part)), metric=faiss.METRIC_INNER_PRODUCT
    )
    return torch.from_numpy(similarity).to(query.device), torch.from_numpy(found).to(query.device)


def _in_order(query: Tensor, gallery: Tensor, about: Tensor, items: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return exact cosines of candidates, falling, their items, and how far the float32 products were off."""
    import torch

    similarity, step = torch.empty_like(about), max(1, NUMBERS // max(1, query.shape[1] * items.shape[1]))
    for start in range(0, len(query), step):
        rows = slice(start, start + step)
        found = items[rows]
        near = unit_rows(gallery[found.flatten().to(gallery.device)].to(query.device)).double()
        exact = near.view(*found.shape, -1).matmul(query[rows].double()[:, :, None])
        similarity[rows] = exact.squeeze(2)
    error = (similarity - about).abs().max()
    items, order = items.sort(dim=1)
    similarity, order = similarity.gather(1, order).sort(dim=1, descending=True, stable=True)
    return similarity, items.gather(1, order), error


def _of_all(query: Tensor, gallery: Tensor, k: int, block: int) -> tuple[Tensor, Tensor]:
    """Return the same as :func:`nearest` from the exact cosines with every item.

    A cosine and a position make one whole number, which sorts by both.
    """
    import torch

    best = torch.empty(len(query), 0, dtype=torch.long, device=query.device)
    for start, part in _parts(gallery, query, ITEMS):
        position = torch.arange(len(part), device=query.device) + start
        part = part.double()
        found = [
            _keys(cosines(rows, part), position).topk(min(k, len(part)), dim=1).values
            for rows in query.split(max(1, block // len(part)))
        ]
        best = torch.cat([best, torch.cat(found)], dim=1)
        best = best.topk(min(k, best.shape[1]), dim=1).values
    similarity = (best >> 32).int()
    similarity = torch.where(similarity < 0, similarity ^ 0x7FFFFFFF, similarity).view(torch.float32)
    return similarity, 0xFFFFFFFF - (best & 0xFFFFFFFF)


def _keys(similarity: Tensor, position: Tensor) -> Tensor:
    """Return whole numbers in the order of cosines and, among equals, against that of positions."""
    import torch

    bits = (similarity + 0.0).view(torch.int32)  # minus zero becomes zero
    bits = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).long()
    return (bits << 32) | (0xFFFFFFFF - position)
