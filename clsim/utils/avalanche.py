"""The only place that reads private names of Avalanche.

clsim's training template also overrides private hooks of Avalanche's templates. ``tests/utils/test_avalanche.py`` lists
all of these names and fails if a new version of Avalanche renames one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from avalanche.benchmarks.utils.classification_dataset import (
    TaskAwareSupervisedClassificationDataset,
    _as_taskaware_supervised_classification_dataset,
)
from avalanche.training.plugins import EvaluationPlugin
from torch.utils.data import Dataset

from clsim.utils.template import Template


def supervised_dataset(items: Dataset[Any]) -> TaskAwareSupervisedClassificationDataset:
    """Wrap items with ``targets`` as the data set ``(x, y, t)`` that all of Avalanche's strategies accept.

    Avalanche's public constructor of the same purpose loses the targets.

    Args:
        items: Data set of pairs of image and class id, with an attribute ``targets``.

    """
    wrapped: TaskAwareSupervisedClassificationDataset
    wrapped = _as_taskaware_supervised_classification_dataset(items, task_labels=0)
    return wrapped


def publishing(evaluator: EvaluationPlugin, metric: Callable[[Template], Any]) -> Callable[..., None]:
    """Return a callback that calls one metric and publishes its values as the evaluation plugin would.

    Args:
        evaluator: Plugin that owns the metric.
        metric: Bound callback of the metric.

    """
    # The plugin runs extra code at every attribute access, which costs more than a small metric.
    state = vars(evaluator)

    def call(strategy: Template, **kwargs: Any) -> None:
        if not state["_active"]:
            return
        emitted = metric(strategy)
        if emitted is not None:
            for value in emitted if isinstance(emitted, Sequence) else [emitted]:
                evaluator.publish_metric_value(value)
        if state["_metric_values"]:  # other plugins may have published some
            for logger in evaluator.loggers:
                logger.log_metrics(state["_metric_values"])
            state["_metric_values"] = []

    return call
