"""Choice between bfloat16 and float32 on a CPU: bfloat16 only if the processor supports it."""

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
"""Values of oneDNN's ISA limit that disable the processor's bfloat16 instructions."""


@dataclass(frozen=True)
class Processor:
    """Properties of a CPU that decide whether it computes in bfloat16.

    Attributes:
        architecture: Machine name as returned by ``platform.machine()``.
        avx512_bf16: Whether an x86 processor has AVX-512 bfloat16 instructions.
        amx: Whether it has AMX tiles for bfloat16.
        library: Whether oneDNN, which computes torch's convolutions and matrix products, accepts bfloat16.
        limit: Instruction set that the environment limits oneDNN to; empty without a limit.
    """

    architecture: str
    avx512_bf16: bool = False
    amx: bool = False
    library: bool = False
    limit: str = ""

    @property
    def computes_bf16(self) -> bool:
        """Whether bfloat16 has hardware instructions and is not emulated.

        Example:
            >>> Processor("x86_64", avx512_bf16=True, library=True).computes_bf16
            True
            >>> Processor("x86_64", avx512_bf16=True, library=True, limit="AVX2").computes_bf16
            False
        """
        if not self.library or self.limit.lower() in _WITHOUT_BF16:
            return False
        if self.architecture.lower() in X86:
            # With plain AVX-512, oneDNN accepts bfloat16 too, but converts every number back and forth.
            return self.avx512_bf16 or self.amx
        return self.architecture.lower() in ARM  # on ARM, oneDNN queries the processor


def this_processor() -> Processor:
    """Return the properties of this machine's CPU; what cannot be queried counts as missing."""
    import torch

    cpu, library = torch.cpu, torch.ops.mkldnn
    return Processor(
        architecture=platform.machine(),
        avx512_bf16=_query(lambda: cpu._is_avx512_bf16_supported()),
        amx=_query(lambda: cpu._is_amx_tile_supported()),
        library=_query(lambda: torch.backends.mkldnn.is_available() and library._is_mkldnn_bf16_supported()),
        limit=os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or "",
    )


def _query(query: Callable[[], Any]) -> bool:
    try:
        return bool(query())
    except (AttributeError, RuntimeError):  # missing in some builds of torch
        return False


def is_emulated(precision: str, device: str, processor: Processor | None = None) -> bool:
    """Return whether a precision is emulated on a device, at about ten times the cost of ``fp32``.

    Args:
        precision: ``fp32``, ``bf16`` or ``fp16``.
        device: Device such as ``cpu`` or ``cuda:0``.
        processor: Properties of the CPU; those of this machine by default.
    """
    if precision != "bf16" or not device.startswith("cpu"):
        return False
    return not (processor or this_processor()).computes_bf16


def usable(precision: str, device: str, processor: Processor | None = None) -> str:
    """Return the precision to compute in: ``fp32`` in place of an emulated one; see :func:`is_emulated`."""
    return "fp32" if is_emulated(precision, device, processor) else precision


REPLACED = (
    "precision: fp32 in place of bf16, which this processor emulates about ten times slower "
    "(--set strategy.precision=bf16 forces it)"
)
INSISTED = "precision: bf16 is emulated on this processor, about ten times slower than fp32"
KEPT = "precision: {used}, as when this run began; {requested} is ignored"
