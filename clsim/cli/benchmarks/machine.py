"""What this machine can do at most, measured: every figure of a benchmark stands beside it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch

from clsim.cli.benchmarks.timing import fastest
from clsim.utils.precision import is_emulated

COPIED = 1 << 27
"""Bytes of the buffer that is copied: more than any cache holds."""


@dataclass(frozen=True)
class Work:
    """What a computation cannot do without.

    Attributes:
        flops: of its matrix products and convolutions; a multiplication and an addition are two.
        bytes: that have to be read or written at least once.

    """

    flops: float
    bytes: float = 0.0


@dataclass(frozen=True)
class Machine:
    """Speed limits of a device.

    Attributes:
        device: its name, with the number of threads on a CPU.
        flops: of a large matrix product, a second, by precision; without ``bf16`` where it is emulated.
        bytes: read and written by a large copy, a second.

    """

    device: str
    flops: dict[str, float]
    bytes: float

    def seconds(self, work: Work, precision: str = "fp32") -> float:
        """The least time the work can take here: that of its products or of its traffic, whichever is longer."""
        return max(work.flops / self.flops[precision], work.bytes / self.bytes)

    def record(self) -> dict[str, object]:
        """As a benchmark's JSON object holds it."""
        return {
            "device": self.device,
            "flops_per_second": self.flops,
            "copied_bytes_per_second": self.bytes,
        }


def measure_machine(device: str = "cpu") -> Machine:
    """Measures a large matrix product in float32 and bfloat16, and a large copy; under a second.

    Source: the roofline model (Williams, Waterman and Patterson, 2009).
    """
    place = torch.device(device)
    size = 8192 if place.type == "cuda" else 1536
    rates = {}
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        if is_emulated(precision, device):
            continue
        left, right = (torch.randn(size, size, device=place).to(dtype) for _ in range(2))
        out = torch.empty_like(left)
        rates[precision] = 2 * size**3 / fastest(partial(torch.mm, left, right, out=out), device=device)
    source = torch.zeros(COPIED, dtype=torch.uint8, device=place)
    target = torch.empty_like(source)
    seconds = fastest(lambda: target.copy_(source), device=device)
    return Machine(_named(place), rates, 2 * COPIED / seconds)


def _named(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads"
