"""Choice of the device that a run computes on."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable

import torch

from clsim.utils.errors import UserError
from clsim.utils.text import clean

NO_GPU = ("not compiled with CUDA", "no NVIDIA driver", "No CUDA GPUs are available", "no CUDA-capable device")
"""Parts of CUDA's messages on a machine without a GPU, which need no warning."""


def _best_device(start_cuda: Callable[[], object] = torch.cuda.init) -> str:
    """Return ``cuda`` where it can be used; else ``cpu``, with a line that says why if there is a GPU.

    Args:
        start_cuda: Function that raises what is wrong with CUDA.

    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own warning says the same in three lines
        if torch.cuda.is_available():
            return "cuda"
        try:
            start_cuda()
        except (RuntimeError, AssertionError) as error:
            reason = (str(error).strip().splitlines() or ["no reason given"])[0].partition(". ")[0]
            if not any(usual in str(error) for usual in NO_GPU) and not int(os.environ.get("RANK", "0")):
                print(f"clsim: device: cpu, since CUDA cannot be used: {clean(reason)}", file=sys.stderr)
    return "cpu"


def resolve_device(name: str) -> str:
    """Return the device of an option, with ``auto`` replaced by ``cuda`` or ``cpu``.

    Args:
        name: ``auto``, ``cpu``, ``cuda`` or ``cuda:i``.

    Raises:
        UserError: There is no such device.

    """
    if name == "auto":
        return _best_device()
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise UserError(f"unknown device {name!r}", where="--device", fix="choose auto, cpu, cuda or cuda:0")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise UserError(f"{name} does not exist: this machine has {found} CUDA devices", where="--device")
    return name
