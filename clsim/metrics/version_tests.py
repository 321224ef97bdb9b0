"""When a version of the model is due to be measured, and what is told of it: what all cross-tests have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from avalanche.evaluation import PluginMetric
from avalanche.evaluation.metric_results import MetricValue

from clsim.metrics.functional.similarity import BLOCK, holding

Matrix = list[list[float]]
_KEPT = ("matrix", "passes", "_due", "_record", "_service_record")


class VersionTests(PluginMetric[Matrix], ABC):
    """Fills a cross-test matrix, one version of the model after the other. Works in any Avalanche strategy.

    A version is the model as it is after an experience: the end of its training makes a version due, and the next
    evaluation measures it. Evaluations in the middle of training measure nothing.

    Attributes:
        matrix: lower-triangular rows; row ``i`` holds the queries by version ``i`` on the galleries 0 to ``i``.
        passes: over a set of images, so far.
        similarities: held at once while versions are compared, 4 bytes each; only memory depends on it.

    """

    def __init__(self) -> None:
        super().__init__()
        self.similarities = BLOCK
        self.reset()

    def result(self) -> Matrix:
        """The matrix so far."""
        return self.matrix

    def reset(self) -> None:
        """Forgets every version; the next one is version 0."""
        self.matrix: Matrix = []
        self.passes = 0
        self._due = False
        self._record: dict[str, Any] | None = None
        self._service_record: dict[str, Any] | None = None

    def record(self) -> dict[str, Any] | None:
        """The ``compatibility`` record of the last version; ``None`` before the first."""
        return self._record

    def service_record(self) -> dict[str, Any] | None:
        """The ``service`` record of the last version; ``None`` before the first, or without a service."""
        return self._service_record

    def state_dict(self) -> dict[str, Any]:
        """What is kept of the versions so far."""
        return {name: getattr(self, name) for name in _KEPT}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What :meth:`state_dict` gave."""
        for name in _KEPT:
            setattr(self, name, state[name])

    def before_training_exp(self, strategy: Any) -> None:
        """Makes sure that no version is passed over.

        Raises:
            RuntimeError: the last experience was trained on, and never evaluated.

        """
        if self._due:
            raise RuntimeError(
                f"version {len(self.matrix)} of the model would go unmeasured: cross-tests need an evaluation after "
                "every experience; call strategy.eval(...) after each strategy.train(experience)"
            )

    def after_training_exp(self, strategy: Any) -> None:
        """Makes a version due."""
        self._due = True

    def after_eval(self, strategy: Any) -> list[MetricValue] | None:
        """Measures the version that is due, if one is."""
        if not self._due:
            return None
        with holding(self.similarities):
            self._record, self._service_record = self.measure(strategy)
        self._due = False
        values = {f"clsim/{name}": self._record[name] for name in ("self_test", "ac", "am")}
        step = strategy.clock.train_iterations
        return [MetricValue(self, name, value, step) for name, value in values.items() if value is not None]

    @abstractmethod
    def measure(self, strategy: Any) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Extracts features, adds a row to the matrix and gives the ``compatibility`` and the ``service`` record."""
