"""A benchmark's figures as a table, each beside the limit of the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsim.cli.benchmarks.machine import Machine
from clsim.cli.benchmarks.result import BenchResult, Line
from clsim.report.console.plain import aligned, write_line
from clsim.report.figures import DASH

if TYPE_CHECKING:
    from rich.console import Console

HEADINGS = ("", "measured", "limit", "of the limit")


def show_benchmark(console: Console, result: BenchResult, machine: Machine) -> None:
    """Prints what was measured, the least time the machine could take, and the share of its speed that was had.

    Args:
        console: where to; in colour on a terminal, as plain lines elsewhere.
        result: of the benchmark.
        machine: its limits.

    """
    rows = [_cells(line) for line in result.lines]
    told = limits(machine)
    if not console.is_terminal:
        headings, *cells = (row[1:] for row in (HEADINGS, *rows))
        first = max(len(row[0]) for row in rows)
        write_line(console.file, f"{result.name}: {result.title}")
        names = ["", *(row[0] for row in rows)]
        for name, line in zip(names, aligned(headings, cells), strict=True):
            write_line(console.file, f"{name:<{first}}  {line}")
        write_line(console.file, told)
        return
    from rich.text import Text

    from clsim.report.console.parts import OURS, plain_table

    table = plain_table()
    table.title, table.title_justify = Text.assemble((result.name, "bold"), f": {result.title}"), "left"
    for index, heading in enumerate(HEADINGS):
        table.add_column(Text(heading, "bold"), justify="right" if index else "left", style=OURS if index == 1 else "")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)
    console.print(Text(told, "dim"))


def limits(machine: Machine) -> str:
    """The machine's limits in one line."""
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
