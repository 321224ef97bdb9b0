"""Results of a benchmark."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from clsim.cli.benchmarks.machine import Machine


@dataclass(frozen=True)
class Line:
    """One measured figure and its lower bound.

    Attributes:
        what: Name of the figure.
        value: Measured value.
        unit: Unit of value and limit.
        limit: Least time of the same work on this machine, see :class:`~.machine.Machine`; ``None`` without one.

    """

    what: str
    value: float
    unit: str
    limit: float | None = None

    @property
    def share(self) -> float | None:
        """Fraction of the machine's speed that was reached."""
        return None if self.limit is None else self.limit / self.value


@dataclass(frozen=True)
class BenchResult:
    """Figures of a benchmark for ``--json``, and the lines of its table.

    Attributes:
        name: Name of the benchmark.
        title: Description of the work.
        figures: Figures by name: seconds, microseconds (``_us``), bytes or ratios.
        lines: Lines of the table.

    """

    name: str
    title: str
    figures: dict[str, Any]
    lines: list[Line] = field(default_factory=list)

    def to_dict(self, machine: Machine) -> dict[str, Any]:
        """Return the JSON object: name, work, figures, and limits of the machine."""
        return {"benchmark": self.name, "work": self.title, **self.figures, "machine": machine.record()}
