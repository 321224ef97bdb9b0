"""Features of a frozen backbone from the cache; those not there yet are computed and stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from clsim.models.features.extract import ExtractionProgress, compute_features, in_parts, shuffled
from clsim.models.features.folder import FeatureFolder
from clsim.models.features.key import FeatureKey
from clsim.models.features.store import FeatureStore


@dataclass
class Usage:
    """How often features of one key were looked up.

    Attributes:
        found: Number of images whose features were stored.
        computed: Number of images whose features were computed.
        seconds: Seconds of computing them.

    """

    found: int = 0
    computed: int = 0
    seconds: float = 0.0


class FeatureCache:
    """Features of images by backbone, shared by all runs of a machine.

    Args:
        folder: Folder of stored features; None: that of the environment.

    Attributes:
        usage: Usage by key since the cache was made.

    """

    def __init__(self, folder: FeatureFolder | None = None) -> None:
        self.folder = FeatureFolder.from_environment() if folder is None else folder
        self.usage: dict[FeatureKey, Usage] = {}
        self._stores: dict[FeatureKey, FeatureStore] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> FeatureCache:
        """Return this cache: a copy of a model has the same features."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Leave out open files and counts."""
        return {"folder": self.folder, "usage": {}, "_stores": {}}

    def features(
        self,
        network: Callable[[Tensor], Tensor],
        key: FeatureKey,
        load: Callable[[Sequence[int]], Tensor],
        digests: Sequence[bytes],
        *,
        name: str,
        device: torch.device | str = "cpu",
    ) -> Tensor:
        """Return features ``(N, D)`` in float32, on the CPU.

        Args:
            network: Map from images in [0, 1], ``(B, 3, H, W)``, to features ``(B, D)``, in evaluation mode.
            key: Address of its features.
            load: Function from positions among N images to their pixels, uint8 ``(n, 3, H, W)``.
            digests: Digests of the N images, see :func:`~clsim.data.core.digests.image_digests`.
            name: Name of the network for progress and ``clsim cache status``.
            device: Device of the network.

        """
        usage = self.usage.setdefault(key, Usage())

        def compute(positions: Sequence[int]) -> Tensor:
            return compute_features(network, load(positions), device=device, precision=key.precision)

        if not len(digests):
            return torch.empty(0, key.width)
        if self.folder.path is None:
            progress = ExtractionProgress(name, len(digests))
            found = torch.cat([compute(part) for part in in_parts(range(len(digests)))])
            usage.computed += len(digests)
            usage.seconds += progress.seconds
            return found
        store = self._store(key, name)
        missing = self._fill(store, digests, compute, usage, name)
        rows = store.take(digests)
        while rows is None:  # a file was damaged and is gone
            missing += self._fill(store, digests, compute, usage, name)
            rows = store.take(digests)
        usage.found += len(digests) - missing
        return rows

    def _store(self, key: FeatureKey, name: str) -> FeatureStore:
        if key not in self._stores:
            about = {"name": name, **asdict(key)}
            self._stores[key] = FeatureStore(self.folder, key.name, key.width, about)
        return self._stores[key]

    def _fill(
        self,
        store: FeatureStore,
        digests: Sequence[bytes],
        compute: Callable[[Sequence[int]], Tensor],
        usage: Usage,
        name: str,
    ) -> int:
        """Compute and store the missing rows; return how many images of the request had none."""
        if store.missing(digests):
            store.refresh()
        missing = store.missing(digests)
        progress, before = ExtractionProgress(name, len(missing)), usage.computed
        for part in shuffled(in_parts(missing)):
            store.refresh()  # another process may have done it meanwhile
            left = [part[at] for at in store.missing([digests[position] for position in part])]
            if left:
                store.add([digests[position] for position in left], compute(left))
            usage.computed += len(left)
            progress.advance(len(part), computed=len(left))
        usage.seconds += progress.seconds if missing else 0.0
        return usage.computed - before
