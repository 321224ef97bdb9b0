"""Measured speed limits of the machine, with which each figure of a benchmark is compared."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch

from clsim.cli.benchmarks.timing import fastest
from clsim.utils.precision import is_emulated

COPIED = 1 << 27
"""Size of the copied buffer in bytes, larger than any cache."""


@dataclass(frozen=True)
class Work:
    """Least work of a computation.

    Attributes:
        flops: Floating-point operations of matrix products and convolutions; a multiply-add counts as two.
        bytes: Bytes that must be read or written at least once.

    """

    flops: float
    bytes: float = 0.0


@dataclass(frozen=True)
class Machine:
    """Speed limits of a device.

    Attributes:
        device: Name of the device, with the number of threads on a CPU.
        flops: Floating-point operations per second of a large matrix product, by precision; without ``bf16`` if it is
            emulated.
        bytes: Bytes per second read and written by a large copy.

    """

    device: str
    flops: dict[str, float]
    bytes: float

    def seconds(self, work: Work, precision: str = "fp32") -> float:
        """Return the least seconds that the work takes: the longer of its products and its memory traffic.

        Example:
            >>> Machine("CPU", {"fp32": 1e9}, 1e9).seconds(Work(flops=2e9, bytes=1e9))
            2.0

        """
        return max(work.flops / self.flops[precision], work.bytes / self.bytes)

    def record(self) -> dict[str, object]:
        """Return the limits for a benchmark's JSON object."""
        return {
            "device": self.device,
            "flops_per_second": self.flops,
            "copied_bytes_per_second": self.bytes,
        }


def measure_machine(device: str = "cpu") -> Machine:
    """Measure a large matrix product in float32 and bfloat16, and a large copy, in under a second.

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
