"""Exact nearest-neighbor search in galleries of any size.

Float32 products find the candidates, exact cosines rank them. Imports torch only when it computes.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from clsim.metrics.functional.checks import Features, as_count, as_features, check_widths
from clsim.metrics.functional.similarity import cosines, max_similarities, unit_rows

if TYPE_CHECKING:
    import torch
    from torch import Tensor

LARGE = 1_000_000
"""Gallery size above which ``engine="auto"`` prefers FAISS."""
ITEMS = 1 << 15
"""Gallery items per block of the torch engine."""
FAISS_ITEMS = 1 << 18
"""Gallery items per block of FAISS: 128 MiB of float32 features of width 128."""
SPARE = 8
"""Candidates beyond ``k``. They prove that no other item belongs among the nearest."""
NUMBERS = {"cpu": 1 << 18, "cuda": 1 << 22}
"""Numbers of candidate features per block of the exact ranking. On the CPU a block fits its cache."""
RESIDENT = 1 << 24
"""Numbers of a gallery whose unit rows are held at once: 64 MiB of float32."""

Engine = Literal["auto", "torch", "faiss"]


def nearest(
    query: Features,
    gallery: Features,
    k: int = 100,
    *,
    engine: Engine = "auto",
    block: int | None = None,
) -> tuple[Tensor, Tensor]:
    r"""Return the gallery items with the ``k`` greatest cosines to each query, by exhaustive search.

    .. math:: \operatorname{arg\,top}_k \{ \cos(q_i, g_n) : n = 1 \dots N \}

    Ties are returned in gallery order. Memory beyond the features does not grow with the gallery: features may be
    float16 or memory-mapped, and are normalized block by block.

    Args:
        query: Query features, ``(Q, D)``.
        gallery: Gallery features, ``(N, D)``.
        k: Number of items per query, at most ``N``.
        engine: Search engine: ``torch``, ``faiss`` (CPU only) or ``auto``. ``auto`` takes FAISS for more than
            :data:`LARGE` items on the CPU if it is installed (``pip install 'clsim[retrieval]'``). Results are equal.
        block: Similarities that torch holds at once, 4 bytes each. The default is the limit that
            :func:`~clsim.metrics.functional.similarity.limit_similarities` sets.

    Returns:
        Cosines in descending order, ``(Q, k)`` float32, and gallery positions, ``(Q, k)`` int64, on the query's device.

    Raises:
        ValueError: Widths differ, ``k``, ``block`` or ``engine`` is invalid, an input is empty, or features are not
            finite.
        ModuleNotFoundError: FAISS is requested but not installed.

    Example:
        >>> import torch
        >>> similarity, items = nearest(torch.tensor([[1.0, 0.1]]), torch.tensor([[0.0, 1.0], [2.0, 0.0]]), k=1)
        >>> items.tolist()
        [[1]]

    """
    query, gallery = as_features(query, "query"), as_features(gallery, "gallery")
    check_widths(query, gallery)
    if (k := as_count(k, "k")) > len(gallery):
        raise ValueError(f"k: expected at most the {len(gallery)} gallery items, got {k}")
    block = max_similarities() if block is None else as_count(block, "block")
    if engine not in ("auto", "torch", "faiss"):
        raise ValueError(f"engine: expected 'auto', 'torch' or 'faiss', got {engine!r}")
    unit_query = unit_rows(query, "query")
    items = _Gallery(gallery, query.device)
    use_faiss = engine == "faiss" or (
        engine == "auto" and len(gallery) > LARGE and query.device.type == "cpu" and find_spec("faiss") is not None
    )
    approximate, found = _candidates(unit_query, items, min(k + SPARE, len(gallery)), block, use_faiss)
    last = approximate[:, -1]
    similarity, found, error = _rank(unit_query, items, approximate, found)
    similarity, found = similarity[:, :k], found[:, :k]
    if approximate.shape[1] < len(gallery):
        # Largest error of a float32 sum of D products, in any order.
        bound = (query.shape[1] + 2) * 2.0**-23
        unsure = similarity[:, -1] <= last + bound  # an item outside the candidates may belong here
        if float(error) > bound:
            unsure[:] = True  # the products were less precise than float32, such as TF32
        if bool(unsure.any()):
            rows = unsure.nonzero().squeeze(1)
            similarity[rows], found[rows] = _search_exactly(unit_query[rows], items, k, block)
    return similarity.contiguous(), found.contiguous()


class _Gallery:
    """Unit rows of a gallery on a device; a small gallery is normalized only once."""

    def __init__(self, features: Tensor, device: torch.device) -> None:
        self.features = features
        self.device = device
        self._units = unit_rows(features.to(device), "gallery") if features.numel() <= RESIDENT else None

    def __len__(self) -> int:
        return len(self.features)

    def blocks(self, size: int) -> Iterator[tuple[int, Tensor]]:
        """Yield the position of each block's first item, and the block's unit rows."""
        for start in range(0, len(self), size):
            part = slice(start, start + size)
            if self._units is None:
                yield start, unit_rows(self.features[part].to(self.device), "gallery")
            else:
                yield start, self._units[part]

    def rows(self, positions: Tensor) -> Tensor:
        """Return the unit rows at some positions."""
        if self._units is not None:
            return self._units.index_select(0, positions)
        return unit_rows(self.features[positions.to(self.features.device)].to(self.device))


def _candidates(query: Tensor, gallery: _Gallery, count: int, block: int, use_faiss: bool) -> tuple[Tensor, Tensor]:
    """Return the greatest cosines by float32 products in descending order, ``(Q, count)``, and their items."""
    import torch

    best = query.new_full((len(query), 0), 0.0)
    items = torch.empty(len(query), 0, dtype=torch.long, device=query.device)
    for start, part in gallery.blocks(FAISS_ITEMS if use_faiss else ITEMS):
        parts = [_by_faiss(query, part, count)] if use_faiss else list(_by_torch(query, part, count, block))
        similarity, found = (torch.cat(column) for column in zip(*parts, strict=True))
        best, items = torch.cat([best, similarity], dim=1), torch.cat([items, found + start], dim=1)
        best, order = best.topk(min(count, best.shape[1]), dim=1)
        items = items.gather(1, order)
    return best, items


def _by_torch(query: Tensor, part: Tensor, k: int, block: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the nearest items of a part, a block of queries at a time."""
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


def _rank(query: Tensor, gallery: _Gallery, approximate: Tensor, items: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the candidates' exact cosines in descending order, their items, and the error of the float32 products."""
    import torch

    similarity = torch.empty_like(approximate)
    query, candidates = query.double(), items.shape[1]
    step = max(1, NUMBERS.get(query.device.type, 1 << 18) // max(1, query.shape[1] * candidates))
    # One buffer for all blocks: fresh memory would cost more than the products.
    buffer = query.new_empty(min(step, len(query)) * candidates, query.shape[1])
    for start in range(0, len(query), step):
        part = slice(start, start + step)
        rows = buffer[: items[part].numel()].copy_(gallery.rows(items[part].flatten()))
        similarity[part] = rows.view(-1, candidates, query.shape[1]).matmul(query[part, :, None]).squeeze(2)
    error = (similarity - approximate).abs().max()
    items, order = items.sort(dim=1)
    similarity, order = similarity.gather(1, order).sort(dim=1, descending=True, stable=True)
    return similarity, items.gather(1, order), error


def _search_exactly(query: Tensor, gallery: _Gallery, k: int, block: int) -> tuple[Tensor, Tensor]:
    """Return the result of :func:`nearest` from exact cosines with every item.

    A cosine and a position are packed into one integer, which sorts by both.
    """
    import torch

    best = torch.empty(len(query), 0, dtype=torch.long, device=query.device)
    for start, part in gallery.blocks(ITEMS):
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
    """Return integers in ascending order of cosines and, among ties, in descending order of positions."""
    import torch

    bits = (similarity + 0.0).view(torch.int32)  # minus zero becomes zero
    bits = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).long()
    return (bits << 32) | (0xFFFFFFFF - position)
