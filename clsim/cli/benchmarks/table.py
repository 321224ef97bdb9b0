"""Table of a benchmark's figures and the limits of the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsim.cli.benchmarks.machine import Machine
from clsim.cli.benchmarks.result import BenchResult, Line
from clsim.report.table import Table, column
from clsim.utils.numbers import DASH

if TYPE_CHECKING:
    from rich.console import Console


def show_benchmark(console: Console, result: BenchResult, machine: Machine) -> None:
    """Print the measured figures, the least time on this machine, and the fraction of its speed reached.

    Args:
        console: Console, colored on a terminal and plain lines elsewhere.
        result: Result of the benchmark.
        machine: Limits of the machine.

    """
    from clsim.report.console.parts import print_line, print_table

    names, measured, limit, share = zip(*map(_cells, result.lines), strict=True)
    columns = (
        column("", names, left=True),
        column("measured", measured, style="ours"),
        column("limit", limit),
        column("of the limit", share),
    )
    print_table(console, Table(f"{result.name}: {result.title}", columns))
    print_line(console, limits(machine), "dim")


def limits(machine: Machine) -> str:
    """Return the machine's limits in one line."""
    products = ", ".join(f"{name} {rate / 1e9:,.0f}" for name, rate in machine.flops.items())
    emulated = "" if "bf16" in machine.flops else ", bf16 emulated and not measured"
    return f"{machine.device}: matrix product {products} GFLOP/s, copy {machine.bytes / 1e9:,.0f} GB/s{emulated}"


def _cells(line: Line) -> tuple[str, str, str, str]:
    limit = DASH if line.limit is None else _figure(line.limit, line.unit)
    share = DASH if line.share is None else f"{line.share:.0%}"
    return line.what, _figure(line.value, line.unit), limit, share


def _figure(value: float, unit: str) -> str:
    decimals = max(0, 3 - len(str(int(value)))) if value >= 1 else 3
    return f"{value:,.{decimals}f} {unit}"
