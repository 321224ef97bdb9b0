"""Slots of a machine for parallel runs, each with threads and GPUs. Imports no torch."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from clsim.sweep.process import THREADS
from clsim.sweep.schema import Sweep
from clsim.utils.errors import UserError


@dataclass(frozen=True)
class Place:
    """Slot for one run at a time.

    Attributes:
        threads: Number of threads.
        gpus: Visible GPUs; none for the CPU.

    """

    threads: int
    gpus: tuple[str, ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables of the run's process."""
        return {**dict.fromkeys(THREADS, str(self.threads)), "CUDA_VISIBLE_DEVICES": ",".join(self.gpus)}


def places(sweep: Sweep, runs: int, asked: int | None, cores: int, gpus: Sequence[str]) -> list[Place]:
    """Return a slot for every run that can run at the same time.

    Args:
        sweep: Sweep, which states the threads and GPUs of a run.
        runs: Number of runs, the upper bound of the slots.
        asked: Number of runs at once, from ``--jobs``; None: as many as fit.
        cores: Number of cores of this machine.
        gpus: Ids of the GPUs of this machine.

    Raises:
        UserError: A run needs more than this machine has.

    Example:
        >>> sweep = Sweep(gpus=0.5)
        >>> [place.gpus for place in places(sweep, 9, None, 8, ["0", "1"])]
        [('0',), ('1',), ('0',), ('1',)]
        >>> places(Sweep(device="cpu"), 3, None, 8, [])
        [Place(threads=2, gpus=()), Place(threads=2, gpus=()), Place(threads=2, gpus=())]

    """
    given = [()] * runs if not (each := gpus_of_a_run(sweep, len(gpus))) else _shared(each, gpus)
    if not given:
        raise UserError(f"gpus: {each:g} a run, and this machine has {len(gpus)}", fix="ask for fewer, or for none")
    fit = max(1, int(cores / (sweep.cpus or 1)))
    count = max(1, min(runs, len(given), fit if asked is None else asked))
    threads = max(1, int(sweep.cpus) if sweep.cpus else cores // count)
    return [Place(threads, each_gpus) for each_gpus in given[:count]]


def gpus_of_a_run(sweep: Sweep, there: int) -> float:
    """Return the GPUs that a run takes; if the sweep states no number: one, or none if the machine has none.

    Args:
        sweep: Sweep with device and GPUs of a run.
        there: Number of GPUs of this machine.

    Raises:
        UserError: The device is ``cuda``, but the machine has no GPU.

    """
    if sweep.device == "cpu":
        return 0.0
    if sweep.device == "cuda" and (not there or sweep.gpus == 0):
        raise UserError("device: cuda, and no GPU for it", fix="write device: auto or cpu, or gpus: 1")
    return float(there > 0) if sweep.gpus is None else sweep.gpus


def cores_here() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpus_here() -> list[str]:
    """Return the GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1")]
    command = shutil.which("nvidia-smi")
    if command is None:
        return []
    try:
        listed = subprocess.run([command, "-L"], capture_output=True, text=True, check=True, timeout=60).stdout  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return []
    return [str(number) for number, line in enumerate(x for x in listed.splitlines() if x.startswith("GPU "))]


def _shared(each: float, gpus: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the GPUs of a slot. Fractions alternate, so that few runs use all GPUs; whole ones are used in order."""
    if each < 1:
        return [(gpu,) for _ in range(int(1 / each)) for gpu in gpus]
    size = int(each)
    return [tuple(gpus[start : start + size]) for start in range(0, len(gpus) - size + 1, size)]
