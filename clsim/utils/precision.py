"""Choice between bfloat16 and float32 on a CPU: bfloat16 only where the processor computes in it."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

X86, ARM = ("x86_64", "amd64", "i386", "i686"), ("aarch64", "arm64")
_WITHOUT_BF16 = (
    "sse41",
    "avx",
    "avx2",
    "avx2_vnni",
    "avx2_vnni_2",
    "avx512_mic",
    "avx512_mic_4ops",
    "avx512_core",
    "avx512_core_vnni",
)
"""Values of oneDNN's own limit that hide the processor's bfloat16 instructions from it."""


@dataclass(frozen=True)
class Processor:
    """What decides whether a CPU computes in bfloat16.

    Attributes:
        architecture: Name of the machine, as ``platform.machine()`` gives it.
        avx512_bf16: Whether an x86 processor multiplies bfloat16 vectors.
        amx: Whether it multiplies bfloat16 tiles.
        library: Whether oneDNN, which computes torch's convolutions and products, takes bfloat16 here.
        limit: Instruction set that oneDNN is limited to by the environment; empty without a limit.

    """

    architecture: str
    avx512_bf16: bool = False
    amx: bool = False
    library: bool = False
    limit: str = ""

    @property
    def computes_bf16(self) -> bool:
        """Whether bfloat16 has instructions of its own, rather than being emulated.

        Example:
            >>> Processor("x86_64", avx512_bf16=True, library=True).computes_bf16
            True
            >>> Processor("x86_64", avx512_bf16=True, library=True, limit="AVX2").computes_bf16
            False

        """
        if not self.library or self.limit.lower() in _WITHOUT_BF16:
            return False
        if self.architecture.lower() in X86:
            # oneDNN also takes bfloat16 with AVX-512 alone, where it converts every number back and forth.
            return self.avx512_bf16 or self.amx
        return self.architecture.lower() in ARM  # there oneDNN asks the processor itself


def this_processor() -> Processor:
    """Return what this machine says of itself; what it cannot say counts as missing."""
    import torch

    cpu, library = torch.cpu, torch.ops.mkldnn
    return Processor(
        architecture=platform.machine(),
        avx512_bf16=_says(lambda: cpu._is_avx512_bf16_supported()),
        amx=_says(lambda: cpu._is_amx_tile_supported()),
        library=_says(lambda: torch.backends.mkldnn.is_available() and library._is_mkldnn_bf16_supported()),
        limit=os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or "",
    )


def _says(question: Callable[[], Any]) -> bool:
    try:
        return bool(question())
    except (AttributeError, RuntimeError):  # not every build of torch has every question
        return False


def is_emulated(precision: str, device: str, processor: Processor | None = None) -> bool:
    """Whether a precision is emulated on a device, which takes about ten times as long as ``fp32``.

    Args:
        precision: ``fp32``, ``bf16`` or ``fp16``.
        device: Device such as ``cpu`` or ``cuda:0``.
        processor: Facts about the CPU; those of this machine by default.

    """
    if precision != "bf16" or not device.startswith("cpu"):
        return False
    return not (processor or this_processor()).computes_bf16


def usable(precision: str, device: str, processor: Processor | None = None) -> str:
    """Return the precision to compute in: ``fp32`` in place of an emulated one; see :func:`is_emulated`."""
    return "fp32" if is_emulated(precision, device, processor) else precision


REPLACED = (
    "precision: fp32 in place of bf16, which this processor only emulates, ten times slower "
    "(--set strategy.precision=bf16 insists)"
)
INSISTED = "precision: bf16 is emulated on this processor and takes about ten times as long as fp32"
KEPT = "precision: {used}, with which this run began; {requested} is asked for"
