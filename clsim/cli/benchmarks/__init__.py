"""Benchmarks of clsim against the limits of the machine and against other libraries, one file each.

Each is a function that takes the machine's limits and returns a :class:`~clsim.cli.benchmarks.result.BenchResult`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Callable

    from clsim.cli.benchmarks.machine import Machine
    from clsim.cli.benchmarks.result import BenchResult

Benchmark = Literal["loop", "clip", "matrix", "stream", "retrieval", "audit"]
BENCHMARKS: tuple[Benchmark, ...] = get_args(Benchmark)


def run_benchmark(name: Benchmark, device: str = "cpu") -> tuple[BenchResult, Machine]:
    """Measure the machine and run a benchmark.

    Args:
        name: Name of the benchmark.
        device: Device, such as ``cpu`` or ``cuda``.

    Raises:
        ValueError: The name is unknown.

    """
    from importlib import import_module

    from clsim.cli.benchmarks.machine import measure_machine

    if name not in BENCHMARKS:
        raise ValueError(f"name: expected one of {', '.join(BENCHMARKS)}, got {name!r}")
    bench: Callable[..., BenchResult] = getattr(import_module(f"clsim.cli.benchmarks.{name}"), f"bench_{name}")
    machine = measure_machine(device)
    return bench(machine, device=device), machine
