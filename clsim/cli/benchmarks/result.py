"""What a benchmark found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from clsim.cli.benchmarks.machine import Machine


@dataclass(frozen=True)
class Line:
    """One figure, and what this machine would need at least.

    Attributes:
        what: is measured.
        value: as measured.
        unit: of both.
        limit: the least time the same work could take, see :class:`~.machine.Machine`; ``None`` where
            there is no work to speak of.

    """

    what: str
    value: float
    unit: str
    limit: float | None = None

    @property
    def share(self) -> float | None:
        """Share of the limit that was reached."""
        return None if self.limit is None else self.limit / self.value


@dataclass(frozen=True)
class BenchResult:
    """A benchmark's figures, as ``--json`` prints them, and the lines of its table.

    Attributes:
        name: of the benchmark.
        title: what was computed.
        figures: by name; seconds, microseconds (``_us``), bytes or ratios.
        lines: of the table.

    """

    name: str
    title: str
    figures: dict[str, Any]
    lines: list[Line] = field(default_factory=list)

    def to_dict(self, machine: Machine) -> dict[str, Any]:
        """One JSON object: the figures, what they belong to, and the machine's limits."""
        return {"benchmark": self.name, "work": self.title, **self.figures, "machine": machine.record()}
