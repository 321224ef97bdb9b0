"""Search over shards of a gallery on a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from clsim.auditing.search import ITEMS, Transform, merged, search
from clsim.data.vectors import VectorSet
from clsim.metrics.functional.neighbor_lists import Neighbors
from clsim.utils.errors import UserError

SHARD = 4 * ITEMS
"""Items of a shard; whole blocks, so that the products are those of one process."""
RETRIES = 3
"""Times that a shard is searched again after its node was lost."""


@dataclass(frozen=True)
class Shard:
    """Some rows of a gallery, as another node can open them.

    Attributes:
        rows: The rows themselves, or the file that maps them: path, type, offset and shape.
        positions: Rows of the file that belong to the shard; None for all.

    """

    rows: NDArray[Any] | tuple[str, str, int, tuple[int, ...]]
    positions: NDArray[np.int64] | None

    def open(self) -> VectorSet:
        """Return the rows as a set of vectors."""
        if isinstance(self.rows, tuple):
            path, dtype, offset, shape = self.rows
            return VectorSet(np.memmap(path, dtype, "r", offset, shape), positions=self.positions)
        return VectorSet(self.rows, positions=self.positions)


def shard_of(gallery: VectorSet, start: int, end: int) -> Shard:
    """Return some rows of a gallery: only their positions if it is a mapped file, which all nodes must see.

    Args:
        gallery: Stored vectors.
        start: First row.
        end: Row after the last.

    Example:
        >>> shard_of(VectorSet(np.eye(3)), 1, 3).open()[0:1]
        array([[0., 1., 0.]])

    """
    array = gallery.array
    if isinstance(array, np.memmap) and array.filename is not None and array.flags.c_contiguous and array.mode != "c":
        positions = np.arange(start, end) if gallery.positions is None else gallery.positions[start:end]
        return Shard((str(array.filename), array.dtype.str, int(array.offset), array.shape), positions)
    rows = array[start:end] if gallery.positions is None else array[gallery.positions[start:end]]
    return Shard(np.ascontiguousarray(rows), None)


class RaySearch:
    """Exact search like :func:`~clsim.auditing.search.search`, with the shards of a gallery as tasks of a Ray cluster.

    The lists are those of one process. A shard whose node is lost is searched again on another one. Mapped files must
    lie on a file system that all nodes share; other arrays travel with the task.

    Args:
        address: Address of the cluster: ``auto``, ``ray://host:port`` or ``host:port``; None starts one here.
        shard: Items of a shard.

    Raises:
        UserError: Ray is not installed, or there is no such cluster.

    """

    def __init__(self, address: str | None = None, shard: int = SHARD) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ModuleNotFoundError as error:
            raise UserError("Ray is not installed", fix="pip install 'clsim[ray]', or --engine local") from error
        try:
            ray.init(address=address or "local", log_to_driver=False, configure_logging=False, ignore_reinit_error=True)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise UserError(f"no Ray cluster at {address or 'local'}: {reason}", fix="check `ray status`") from error
        self._ray: Any = ray
        self._shard = shard
        self._task: Any = ray.remote(max_retries=RETRIES)(_searched)

    def __call__(
        self, queries: Mapping[str, Tensor], gallery: VectorSet, k: int, transform: Transform | None = None
    ) -> dict[str, Neighbors]:
        """Return the ``k`` nearest items of several sets of queries, see :func:`~clsim.auditing.search.search`."""
        if not queries:
            return {}
        shared = self._ray.put((dict(queries), transform))
        starts = range(0, len(gallery), self._shard)
        tasks = [
            self._task.remote(shared, shard_of(gallery, start, min(start + self._shard, len(gallery))), start, k)
            for start in starts
        ]
        found: dict[str, Neighbors] = {}
        for part in (self._ray.get(task) for task in tasks):
            found = {name: merged(found[name], each, k) if found else each for name, each in part.items()}
        return found


def _searched(shared: tuple[dict[str, Tensor], Transform | None], shard: Shard, start: int, k: int) -> Any:
    queries, transform = shared
    found = search(queries, shard.open(), k, transform)
    return {name: Neighbors(each.scores, each.items + start) for name, each in found.items()}
