"""The figures of a run, in memory and as ``results.json``."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clsim.metrics import (
    average_accuracy,
    average_accuracy_weighted,
    average_forgetting,
    generalized_accuracy_area,
    performance_drop,
)
from clsim.results.record import Block, SessionRecord, Summary
from clsim.utils.errors import UserError

FORMAT = 1
SAVED = ("images_not_reprocessed", "device_seconds_saved")
"""Figures of the search service that add up over the sessions."""


@dataclass
class Results:
    """Figures of one run: fractions, seconds, counts and bytes.

    Attributes:
        scenario: Name of the scenario.
        strategy: Name of the strategy.
        seed: Seed of the run.
        path: Run directory.
        status: ``complete`` or ``failed``; until the run ends ``interrupted``, which a killed run leaves.
        stands_in_for: Scenario in whose place this one ran, and why; ``None`` if it is no stand-in.
        validation: Held-out training images of the evaluation; ``None`` for test images.
        measures_forgetting: Whether the scenario asks for forgetting.
        records: One record for each session.
        test_images: Number of test images behind ``accuracy``, for each session.
        draws: Figures over the draws of the shots, see :func:`~clsim.results.draws.over_draws`; ``None`` without.

    """

    scenario: str
    strategy: str
    seed: int
    path: Path
    status: str = "interrupted"
    stands_in_for: dict[str, str] | None = None
    validation: dict[str, float | int] | None = None
    measures_forgetting: bool = True
    records: list[SessionRecord] = field(default_factory=list)
    test_images: list[int] = field(default_factory=list)
    draws: dict[str, Any] | None = None

    def add(self, record: SessionRecord, test_images: int) -> None:
        """Add the record of a session and the number of its test images."""
        self.records.append(record)
        self.test_images.append(test_images)

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {
            "sessions": self.sessions,
            "accuracy_matrix": self.accuracy_matrix,
            "test_images": list(self.test_images),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        self.records = [SessionRecord.from_dict(content) for content in state["sessions"]]
        self.test_images = list(state["test_images"])

    @classmethod
    def read(cls, directory: Path) -> Results:
        """Read the results of a run directory.

        Raises:
            UserError: There are none, or they are damaged.

        """
        path = directory / "results.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            facts = {name: content[name] for name in ("scenario", "strategy", "seed", "status", "stands_in_for")}
            return cls(
                **facts,
                path=directory,
                validation=content.get("validation"),  # which earlier versions did not write
                measures_forgetting=content["summary"]["average_forgetting"] is not None,
                records=[SessionRecord.from_dict(record) for record in content["sessions"]],
                test_images=list(content["test_images"]),
                draws=content.get("draws"),
            )
        except OSError as error:
            raise UserError(f"there are no results: {error.strerror}", where=str(path)) from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UserError(f"these results are damaged ({type(error).__name__})", where=str(path)) from error

    @property
    def sessions(self) -> list[dict[str, Any]]:
        """The records as ``results.json`` has them."""
        return [record.to_dict() for record in self.records]

    @property
    def accuracies(self) -> list[float | None]:
        """Accuracy on all seen classes after each session; ``None`` where there is no test image."""
        return [record.accuracy for record in self.records]

    @property
    def accuracy_matrix(self) -> list[list[float | None]]:
        """Row ``i``: after session ``i``; column ``j``: on the classes of session ``j``."""
        return [record.accuracy_by_session for record in self.records]

    @property
    def compatibility_matrix(self) -> list[list[float | None]] | None:
        """Row ``i``: queries by version ``i``; column ``j``: gallery by version ``j``; None above the diagonal.

        ``None`` as a whole if versions were not compared.
        """
        return _square([[*test["cross_tests"], test["self_test"]] for test in self._tests]) or None

    @property
    def matrices(self) -> dict[str, list[list[float | None]]]:
        """The same by every further criterion, by name."""
        names = self._tests[-1].get("also", {}) if self._tests else {}
        return {name: _square([test["also"][name] for test in self._tests]) for name in names}

    @property
    def _tests(self) -> list[Block]:
        return [record.compatibility for record in self.records if record.compatibility]

    def summary(self) -> dict[str, Any]:
        """Return the figures of all sessions so far, as ``results.json`` has them; empty before the first one."""
        return self.summarize().to_dict() if self.records else {}

    def summarize(self) -> Summary:
        """Return the figures of all sessions so far; there must be one."""
        compatibility = self.records[-1].compatibility or {}
        services = [record.service for record in self.records if record.service]
        saved = {key: sum(service[key] for service in services) for key in SAVED}
        return Summary(
            average_accuracy=average_accuracy(self.accuracies),
            average_accuracy_weighted=average_accuracy_weighted(self.accuracies, self.test_images),
            final_accuracy=self.accuracies[-1],
            performance_drop=performance_drop(self.accuracies),
            average_forgetting=average_forgetting(self.accuracy_matrix) if self.measures_forgetting else None,
            generalized_accuracy=self._generalized_accuracy(),
            ac=compatibility.get("ac"),
            am=compatibility.get("am"),
            service=saved if services else None,
        )

    def _generalized_accuracy(self) -> float | None:
        """Return the area under gAcc; ``None`` unless the base session has more classes than a later one on average."""
        base, *later = (len(record.new_classes) for record in self.records)
        ways = [count for count in later if count]
        if not ways or base * len(ways) <= sum(ways):
            return None
        return generalized_accuracy_area(self.accuracy_matrix, base * len(ways) / sum(ways))

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``results.json``."""
        return {
            "format": FORMAT,
            "scenario": self.scenario,
            "strategy": self.strategy,
            "seed": self.seed,
            "status": self.status,
            "stands_in_for": self.stands_in_for,
            "validation": self.validation,
            "sessions": self.sessions,
            "summary": self.summary(),
            "accuracy_matrix": self.accuracy_matrix,
            "test_images": self.test_images,
            "compatibility_matrix": self.compatibility_matrix,
            "matrices": self.matrices,
            **({} if self.draws is None else {"draws": self.draws}),
        }


def _square(rows: list[list[float]]) -> list[list[float | None]]:
    """Fill rows that grow by one each with ``None``."""
    return [[*row, *[None] * (len(rows) - len(row))] for row in rows]
