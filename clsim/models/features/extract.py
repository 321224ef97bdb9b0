"""Computation of features in batches that suit a CPU."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from clsim.utils.device import autocast
from clsim.utils.progress_line import ProgressLine

BATCH = 32
"""Images a pass. The results of small batches fit in a CPU's cache; larger ones gain nothing."""
CHUNK = 1024
"""Images whose features are stored at once: an interrupted run has lost no more than these."""


@torch.no_grad()
def compute_features(
    network: Callable[[Tensor], Tensor], pixels: Tensor, *, device: torch.device | str = "cpu", precision: str = "fp32"
) -> Tensor:
    """Return the features of images ``(N, D)`` in float32, on the CPU.

    All passes have batches of one size, the last one filled up with its last image: the size of a batch decides the
    order of sums, and so the last bits of a feature.

    Args:
        network: Map from images in [0, 1], ``(B, 3, H, W)``, to features ``(B, D)``, in evaluation mode.
        pixels: N images, uint8 ``(N, 3, H, W)``, at least one.
        device: Device of the network.
        precision: Precision of the forward pass.

    Example:
        >>> pixels = torch.full((3, 3, 2, 2), 255, dtype=torch.uint8)
        >>> compute_features(lambda images: images.mean((2, 3)), pixels).tolist()
        [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]

    """
    found = []
    for part in pixels.split(BATCH):
        filled = torch.cat([part, part[-1:].expand(BATCH - len(part), -1, -1, -1)])
        with autocast(device, precision):
            features = network(filled.to(device, non_blocking=True).to(torch.float32).div_(255))
        found.append(features[: len(part)].float())
    return torch.cat(found).cpu()


def in_parts(positions: Sequence[int]) -> list[Sequence[int]]:
    """Split positions of images into parts of :data:`CHUNK`."""
    return [positions[start : start + CHUNK] for start in range(0, len(positions), CHUNK)]


def shuffled(parts: Sequence[Sequence[int]]) -> list[Sequence[int]]:
    """Return the parts in a random order, drawn apart from all generators of a run.

    Processes that begin the same work at once then take different parts first, and find those of the others done.
    """
    return random.Random().sample(parts, len(parts))


class ExtractionProgress:
    """Progress of an extraction that takes more than a few seconds.

    Args:
        name: Name of the backbone.
        total: Number of images to compute.

    """

    def __init__(self, name: str, total: int) -> None:
        self.name = name
        self.total = total
        self.began = time.monotonic()
        self._done = self._computed = 0
        self._line = ProgressLine(after=3.0)

    def advance(self, images: int, *, computed: int) -> None:
        """Note that more images are done; this process computed some of them."""
        self._done += images
        self._computed += computed
        speed = self._computed / max(self.seconds, 1e-9)
        text = f"features of {self.name}: {self._done:,} of {self.total:,} images, {speed:.0f} images/s"
        self._line.show(text, done=self._done >= self.total)

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.began
