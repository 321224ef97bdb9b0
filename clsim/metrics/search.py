"""The nearest items of a gallery, however large it is.

Compared by cosine in float32. Imports torch where it computes, not where it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from clsim.metrics.similarity import check_widths, cosines, held, unit_rows

if TYPE_CHECKING:
    from torch import Tensor

LARGE = 1_000_000
"""Beyond so many items FAISS searches, where it is installed."""
ITEMS = 1 << 15
"""Gallery items that are looked at together by torch."""
FAISS_ITEMS = 1 << 18
"""And by FAISS, which makes blocks of its own: 128 MiB of float32 features of 128 numbers."""

Engine = Literal["auto", "torch", "faiss"]


def nearest(
    query: Tensor,
    gallery: Tensor,
    k: int = 100,
    *,
    engine: Engine = "auto",
    block: int | None = None,
) -> tuple[Tensor, Tensor]:
    r"""The ``k`` gallery items with the greatest cosine to each query, found by comparing with all of them.

    .. math:: \operatorname{arg\,top}_k \{ \cos(q_i, g_n) : n = 1 \dots N \}

    Memory does not grow with the gallery beyond the features themselves: these may be float16, or memory-mapped, and
    are made unit length a block at a time.

    Args:
        query: features ``(Q, D)``.
        gallery: features ``(N, D)``.
        k: how many, at most ``N``.
        engine: ``torch``; ``faiss``, on the CPU; or ``auto``: ``faiss`` for more than :data:`LARGE` items on the CPU
            where it is installed (``pip install 'clsim[retrieval]'``), else ``torch``. Both compare with every item,
            and agree but for rounding.
        block: similarities that torch holds at once, 4 bytes each; by default as many as
            :func:`~clsim.metrics.similarity.holding` says.

    Returns:
        Cosines, falling, ``(Q, k)`` float32, and the items' positions, ``(Q, k)`` int64, on the query's device.

    Raises:
        ValueError: widths differ, ``k`` or ``block`` is out of range, or there is nothing to compare.
        ModuleNotFoundError: FAISS is asked for and is not installed.

    Example:
        >>> import torch
        >>> similarity, items = nearest(torch.tensor([[1.0, 0.1]]), torch.tensor([[0.0, 1.0], [2.0, 0.0]]), k=1)
        >>> items.tolist()
        [[1]]

    """
    import torch

    check_widths(query, gallery)
    if not 1 <= k <= len(gallery):
        raise ValueError(f"k counts gallery items from 1 to {len(gallery)}; got {k}")
    block = held() if block is None else block
    if block < 1:
        raise ValueError(f"block counts similarities and is at least 1; got {block}")
    device, query = query.device, unit_rows(query)
    by_faiss = engine == "faiss" or (
        engine == "auto" and len(gallery) > LARGE and device.type == "cpu" and find_spec("faiss") is not None
    )
    best = query.new_full((len(query), 0), 0.0)
    items = torch.empty(len(query), 0, dtype=torch.long, device=device)
    step = FAISS_ITEMS if by_faiss else ITEMS
    for start in range(0, len(gallery), step):
        part = unit_rows(gallery[start : start + step].to(device))
        parts = [_by_faiss(query, part, k)] if by_faiss else list(_by_torch(query, part, k, block))
        similarity, found = (torch.cat(column) for column in zip(*parts, strict=True))
        best, items = torch.cat([best, similarity], dim=1), torch.cat([items, found + start], dim=1)
        best, order = best.topk(min(k, best.shape[1]), dim=1)
        items = items.gather(1, order)
    return best, items


def _by_torch(query: Tensor, part: Tensor, k: int, block: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The nearest of a part, for a number of queries at a time."""
    for rows in query.split(max(1, block // len(part))):
        similarity, found = cosines(rows, part).topk(min(k, len(part)), dim=1)
        yield similarity, found


def _by_faiss(query: Tensor, part: Tensor, k: int) -> tuple[Tensor, Tensor]:
    import faiss
    import torch

    similarity, found = faiss.knn(
        query.cpu().numpy(), part.cpu().numpy(), min(k, len(part)), metric=faiss.METRIC_INNER_PRODUCT
    )
    return torch.from_numpy(similarity).to(query.device), torch.from_numpy(found).to(query.device)
