"""Autocast, synchronized timing and peak memory of a device."""

from __future__ import annotations

import resource
import sys
import time
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch

Precision = Literal["fp32", "bf16", "fp16"]


class OnDevice(Protocol):
    """Strategy, or anything else with a device."""

    @property
    def device(self) -> torch.device:
        """Device of the computation."""


@runtime_checkable
class HasPrecision(Protocol):
    """Strategy with a precision."""

    @property
    def precision(self) -> str:
        """Precision of forward passes."""


def autocast(device: torch.device | str, precision: str, *, cache: bool = True) -> torch.autocast:
    """Return the autocast region of a precision; ``fp32`` disables autocast.

    Args:
        device: Device of the forward pass.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        cache: Whether the cast of a trainable weight is kept for the whole region.
    """
    import torch

    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(torch.device(device).type, dtype, enabled=precision != "fp32", cache_enabled=cache)


def lies_on(tensor: torch.Tensor, device: torch.device | str) -> bool:
    """Return whether a tensor is on a device, where ``cuda`` means the current GPU.

    A tensor on a GPU always names its index, so comparing it with ``cuda`` directly would fail.

    Args:
        tensor: Tensor to check.
        device: Device, with or without an index.
    """
    import torch

    wanted = torch.device(device)
    if wanted.type == "cuda" and wanted.index is None:
        wanted = torch.device("cuda", torch.cuda.current_device())
    return tensor.device == wanted


def device_time(device: torch.device | str) -> float:
    """Synchronize the device and return a time in seconds; only differences are meaningful."""
    import torch

    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def peak_memory(device: torch.device) -> int:
    """Return peak memory in bytes: allocated by this run on CUDA, resident in the process on the CPU."""
    import torch

    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def precision_of(strategy: object) -> str:
    """Return the precision of a strategy: ``fp32`` for Avalanche's own, which have none."""
    return strategy.precision if isinstance(strategy, HasPrecision) else "fp32"


def autocast_of(strategy: OnDevice) -> torch.autocast:
    """Return the autocast region of a strategy."""
    return autocast(strategy.device, precision_of(strategy))
