"""Record of the audit of a chain of upgrades."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clsim.auditing.record import Audit, plain_value
from clsim.metrics.functional.bootstrap import Estimate
from clsim.metrics.functional.compatibility import average_compatibility, average_multimodel_accuracy
from clsim.utils.files import atomic

FORMAT = 1
"""Format of ``chain.json``."""
FILE = "chain.json"
WAYS = ("plain", "direct", "composed", "direct_gallery", "composed_gallery")
"""Ways to search an older gallery: no bridge, a bridge of the two versions or of all links, on either side."""


@dataclass(frozen=True)
class Score:
    """Primary figure of one way to search.

    Attributes:
        way: One of :data:`WAYS`, or ``self`` for a version's own gallery.
        bridge: Bridge, or bridges in the order in which they map; None without one.
        figure: Figure with its interval.

    """

    way: str
    bridge: str | None
    figure: Estimate


@dataclass(frozen=True)
class Cell:
    """Search with the queries of one version in the gallery of another.

    Attributes:
        new: Version of the queries, from 1.
        old: Version of the gallery, from 1.
        scores: Primary figure of each way.
        differences: Direct minus composed on the ``query`` and the ``gallery`` side, with intervals; empty for links.

    """

    new: int
    old: int
    scores: tuple[Score, ...]
    differences: Mapping[str, Estimate]


@dataclass(frozen=True)
class Step:
    """Distance of a version to the one before it.

    Attributes:
        old: Older version, from 1.
        new: Newer version.
        mean_drift: Length of the mean difference of the vectors, as a fraction of the old vectors' mean length; None
            if the widths differ.
        rotation_error: 1 minus the mean cosine after the best rotation, on validation pairs.
        delta: Root mean squared difference of the cosines of two items by both versions.
        neighbors_kept: Fraction of the nearest items of a query that stay.
        seconds: Time to measure.

    """

    old: int
    new: int
    mean_drift: float | None
    rotation_error: float
    delta: float
    neighbors_kept: Estimate
    seconds: float


@dataclass(frozen=True)
class ChainAudit:
    """Result of the audit of a chain.

    Attributes:
        versions: Name of each version, oldest first.
        primary: Name of the figure.
        cells: Pairs of versions.
        steps: Steps of the chain.
        last: Audit of the last upgrade, with its verdict.
        inputs: Items, widths, and what counts as right.
        notes: What was handled, in sentences.
        seed: Seed.

    """

    versions: tuple[str, ...]
    primary: str
    cells: tuple[Cell, ...]
    steps: tuple[Step, ...]
    last: Audit
    inputs: Mapping[str, Any]
    notes: tuple[str, ...]
    seed: int

    def matrix(self, way: str) -> list[list[float]]:
        """Return the cross-test matrix of one of :data:`WAYS`: row ``t`` has the galleries up to version ``t``."""
        rows: list[list[float]] = [[] for _ in self.versions]
        for cell in self.cells:
            values = {score.way: score.figure.value for score in cell.scores}
            rows[cell.new - 1].append(values.get("self", values.get(way, 0.0)))
        return rows

    @property
    def average_compatibility(self) -> dict[str, float | None]:
        """AC of each way, see :func:`clsim.metrics.average_compatibility`."""
        return {way: average_compatibility(self.matrix(way)) for way in WAYS}

    @property
    def average_accuracy(self) -> dict[str, float]:
        """AM of each way, see :func:`clsim.metrics.average_multimodel_accuracy`."""
        return {way: average_multimodel_accuracy(self.matrix(way)) for way in WAYS}

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``chain.json``."""
        own = {key: value for key, value in asdict(self).items() if key != "last"}
        averages = {"ac": self.average_compatibility, "am": self.average_accuracy}
        return {"format": FORMAT, **plain_value(own), **averages, "last": self.last.to_dict()}

    def save(self, directory: Path) -> Path:
        """Write ``chain.json`` into a directory and return its path."""
        path = directory / FILE
        with atomic(path) as unfinished:
            unfinished.write_text(json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n", encoding="utf-8")
        return path

    def __str__(self) -> str:
        lines = [
            f"{len(self.versions)} versions, {self.primary} of the queries of each in the galleries of each, percent"
        ]
        for way in WAYS:
            compatible, accuracy = self.average_compatibility[way], self.average_accuracy[way]
            shown = "; ".join(" ".join(f"{value * 100:.1f}" for value in row) for row in self.matrix(way))
            average = "" if compatible is None else f"AC {compatible:.2f}  "
            lines.append(f"{way.replace('_', ', '):<18}{average}AM {accuracy * 100:.2f}  {shown}")
        for cell in self.cells:
            for side, found in cell.differences.items():
                interval = f"{found.low * 100:+.1f} to {found.high * 100:+.1f}"
                what = f"{cell.new} to {cell.old}, {side} side: direct minus composed"
                lines.append(f"{what} {found.value * 100:+.1f} points ({interval})")
        for step in self.steps:
            kept = step.neighbors_kept.value
            lines.append(
                f"step {step.old} to {step.new}: {kept:.1%} of the neighbors stay,"
                f" rotation error {step.rotation_error:.3f}"
            )
        return "\n".join(lines)
