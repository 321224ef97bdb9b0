"""Base class of metrics that evaluate each model version once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from avalanche.evaluation import PluginMetric
from avalanche.evaluation.metric_results import MetricValue

from clsim.metrics.functional.compatibility import (
    average_compatibility,
    average_multimodel_accuracy,
    backward_compatibility,
    gain_over_first,
)
from clsim.metrics.functional.similarity import BLOCK, limit_similarities
from clsim.metrics.protocols import ModelOnDevice, VersionedStrategy
from clsim.metrics.search_service import SearchService

Matrix = list[list[float]]


class VersionTests(PluginMetric[Matrix], ABC):
    """Base class of cross-tests, which fill a matrix one model version at a time, for any Avalanche strategy.

    A version is the model after an experience. The end of training makes a version due; the next evaluation measures
    it. Evaluations during training measure nothing.

    Args:
        strict: Whether a cross-test must exceed the older self-test to count as compatible, or may equal it.
        service: Simulated search service that indexes each version.

    Attributes:
        matrix: Lower-triangular rows. Row ``i`` holds the queries by version ``i`` in the galleries 0 to ``i``.
        passes: Number of passes over a set of images so far.
        similarities: Limit of similarities held at once, 4 bytes each. Affects memory only.
        note: Sentence on the comparison for readers of its figures; None: there is nothing to say.

    """

    note: str | None = None

    def __init__(self, *, strict: bool = True, service: SearchService | None = None) -> None:
        super().__init__()
        self.strict = strict
        self.service = service
        self.similarities = BLOCK
        self.reset()

    def result(self) -> Matrix:
        """Return the matrix so far."""
        return self.matrix

    def reset(self) -> None:
        """Discard all versions; the next one is version 0."""
        self.matrix: Matrix = []
        self.passes = 0
        self._due = False
        self._record: dict[str, Any] | None = None
        self._service_record: dict[str, Any] | None = None

    def record(self) -> dict[str, Any] | None:
        """Return the ``compatibility`` record of the last version; ``None`` before the first."""
        return self._record

    def service_record(self) -> dict[str, Any] | None:
        """Return the ``service`` record of the last version; ``None`` before the first, or without a service."""
        return self._service_record

    def state_dict(self) -> dict[str, Any]:
        """Return the results of the versions so far, and the state of the service."""
        return {
            "matrix": self.matrix,
            "passes": self.passes,
            "_due": self._due,
            "_record": self._record,
            "_service_record": self._service_record,
            "service": None if self.service is None else self.service.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a :meth:`state_dict`."""
        self.matrix, self.passes, self._due = state["matrix"], state["passes"], state["_due"]
        self._record, self._service_record = state["_record"], state["_service_record"]
        if self.service is not None:
            self.service.load_state_dict(state["service"])

    def before_training_exp(self, strategy: VersionedStrategy) -> None:
        """Check that no version is skipped.

        Raises:
            RuntimeError: The last experience was trained on but not evaluated.

        """
        if self._due:
            raise RuntimeError(
                f"version {len(self.matrix)} of the model was not evaluated: cross-tests need an evaluation after each "
                "experience; call strategy.eval(...) after each strategy.train(experience)"
            )

    def after_training_exp(self, strategy: VersionedStrategy) -> None:
        """Make a version due."""
        self._due = True

    def after_eval(self, strategy: VersionedStrategy) -> list[MetricValue] | None:
        """Measure the version that is due, if any."""
        if not self._due:
            return None
        with limit_similarities(self.similarities):
            self._record, self._service_record = self.measure(strategy)
        self._due = False
        values = {f"clsim/{name}": self._record[name] for name in ("self_test", "ac", "am")}
        step = strategy.clock.train_iterations
        return [MetricValue(self, name, value, step) for name, value in values.items() if value is not None]

    @abstractmethod
    def measure(self, strategy: ModelOnDevice) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Extract features, add a row to the matrix, and return the ``compatibility`` and ``service`` records."""

    def _matrix_record(self, also: dict[str, list[float]], **further: Any) -> dict[str, Any]:
        """Return the figures of the matrix so far.

        Args:
            also: Rows by further criteria.
            further: Figures to place after ``also``.

        """
        return {
            "self_test": self.matrix[-1][-1],
            "cross_tests": self.matrix[-1][:-1],
            "also": also,
            **further,
            "ac": average_compatibility(self.matrix, self.strict),
            "am": average_multimodel_accuracy(self.matrix),
            "against_first": gain_over_first(self.matrix),
            "backward_compatibility": backward_compatibility(self.matrix),
        }
