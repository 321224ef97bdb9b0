"""What all that computes on a device has in common: the precision of a pass, and the time it took."""

from __future__ import annotations

import resource
import sys
import time
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch

Precision = Literal["fp32", "bf16", "fp16"]


def autocast(device: torch.device | str, precision: str, *, cache: bool = True) -> torch.autocast:
    """The region in which a forward pass has this precision; ``fp32`` changes nothing.

    ``cache`` keeps a trained weight's cast for the whole region.
    """
    import torch

    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(torch.device(device).type, dtype, enabled=precision != "fp32", cache_enabled=cache)


def lies_on(tensor: torch.Tensor, device: torch.device | str) -> bool:
    """Return whether a tensor is on a device; ``cuda`` without a number is the GPU in use.

    A tensor on a GPU always names its number, so that comparing both devices would find them different.
    """
    import torch

    wanted = torch.device(device)
    if wanted.type == "cuda" and wanted.index is None:
        wanted = torch.device("cuda", torch.cuda.current_device())
    return tensor.device == wanted


def device_time(device: torch.device | str) -> float:
    """Seconds, after the device has finished what it was given; only differences mean something."""
    import torch

    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def peak_memory(device: torch.device) -> int:
    """Bytes: the run's own peak on CUDA; on the CPU the resident peak of the process so far."""
    import torch

    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def autocast_of(strategy: Any) -> torch.autocast:
    """The region in which a strategy's passes run; one of Avalanche's own has no precision but ``fp32``."""
    return autocast(strategy.device, getattr(strategy, "precision", "fp32"))
