"""Exact search in stored vectors that need not fit in memory, by several sets of queries in one pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from clsim.data.vectors import VectorSet
from clsim.metrics.functional.neighbor_lists import Neighbors
from clsim.models.bridges.rows import as_rows

ITEMS = 1 << 16
"""Items read at once: 128 MiB of float32 at width 512."""
SIMILARITIES = 1 << 26
"""Similarities that torch holds at once: 256 MiB."""

Transform: TypeAlias = Callable[[Tensor], Tensor]
"""Map of gallery rows, such as the method ``transform`` of a gallery's bridge."""


class Search(Protocol):
    """Exact search by several sets of queries: :func:`search`, or an engine that spreads it over a cluster."""

    def __call__(
        self, queries: Mapping[str, Tensor], gallery: VectorSet, k: int, transform: Transform | None = None, /
    ) -> dict[str, Neighbors]:
        """Return the ``k`` nearest items of each set."""


def search(
    queries: Mapping[str, Tensor], gallery: VectorSet, k: int, transform: Transform | None = None
) -> dict[str, Neighbors]:
    """Return the ``k`` items of the greatest cosines for several sets of queries, in one pass over the gallery.

    Cosines are float32 products of unit rows, so items whose cosines differ by a rounding may change places.

    Args:
        queries: Sets of queries by name, ``(Q, D)`` each.
        gallery: Stored vectors, ``(N, D)``, or ``(N, d)`` with a ``transform`` to ``D``.
        k: Length of the lists, at most ``N``.
        transform: Map of gallery rows.

    Returns:
        Neighbors of each set, with scores in float32.

    Example:
        >>> found = search({"old": torch.tensor([[1.0, 0.1]])}, VectorSet(np.eye(2)), k=2)
        >>> found["old"].items
        tensor([[0, 1]])

    """
    if not queries:
        return {}
    sizes = [len(each) for each in queries.values()]
    units = F.normalize(torch.cat([each.float() for each in queries.values()]), dim=1)
    by_faiss = find_spec("faiss") is not None and units.device.type == "cpu"
    best: Neighbors | None = None
    for start in range(0, len(gallery), ITEMS):
        rows = as_rows(gallery[start : start + ITEMS])
        rows = F.normalize(rows.float() if transform is None else transform(rows), dim=1)
        found = (_by_faiss if by_faiss else _by_torch)(units, rows, min(k, len(rows)))
        found = Neighbors(found.scores, found.items + start)
        best = found if best is None else merged(best, found, k)
    assert best is not None
    parts = zip(best.scores.split(sizes), best.items.split(sizes), strict=True)
    return {name: Neighbors(*part) for name, part in zip(queries, parts, strict=True)}


def rows_at(vectors: VectorSet, positions: Any = None, limit: int | None = None) -> Tensor:
    """Return some rows of stored vectors as float32; all of them by default.

    Example:
        >>> rows_at(VectorSet(np.eye(3)), np.array([2]))
        tensor([[0., 0., 1.]])

    """
    wanted = np.arange(len(vectors)) if positions is None else np.asarray(positions)
    return as_rows(vectors[wanted[:limit]]).float()


def _by_torch(query: Tensor, rows: Tensor, k: int) -> Neighbors:
    parts = [(part @ rows.T).topk(k, dim=1) for part in query.split(max(1, SIMILARITIES // len(rows)))]
    return Neighbors(torch.cat([part.values for part in parts]), torch.cat([part.indices for part in parts]))


def _by_faiss(query: Tensor, rows: Tensor, k: int) -> Neighbors:
    import faiss

    scores, items = faiss.knn(query.numpy(), rows.contiguous().numpy(), k, metric=faiss.METRIC_INNER_PRODUCT)
    return Neighbors(torch.from_numpy(scores), torch.from_numpy(items))


def merged(first: Neighbors, second: Neighbors, k: int) -> Neighbors:
    """Return the best of two lists over different items; among equal scores the first list's come first.

    Example:
        >>> first = Neighbors(torch.tensor([[0.5]]), torch.tensor([[0]]))
        >>> merged(first, Neighbors(torch.tensor([[0.9]]), torch.tensor([[1]])), k=2).items
        tensor([[1, 0]])

    """
    scores, items = torch.cat([first.scores, second.scores], 1), torch.cat([first.items, second.items], 1)
    order = scores.argsort(dim=1, descending=True, stable=True)[:, :k]
    return Neighbors(scores.gather(1, order), items.gather(1, order))
