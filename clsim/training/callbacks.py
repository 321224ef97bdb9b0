"""Who listens to a callback, found out once an epoch: an idle plugin can cost more than a small step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from avalanche.evaluation import PluginMetric
from avalanche.logging import BaseLogger
from avalanche.training.plugins import EvaluationPlugin, SupervisedPlugin

Listener = Callable[..., Any]


def listeners(plugins: Iterable[Any], callback: str) -> list[Listener]:
    """What is to be called, with the strategy, at a callback, in the order of the plugins.

    Avalanche calls every plugin, and for its evaluation plugin copies the experience and asks each metric and each
    logger. Here a plugin that leaves the callback as it inherits it is not called, and metrics are called directly
    where no logger listens.
    """
    return [call for plugin in plugins for call in _calls(plugin, callback)]


def _calls(plugin: Any, callback: str) -> Iterator[Listener]:
    if not isinstance(plugin, EvaluationPlugin):
        if _overrides(plugin, callback, (SupervisedPlugin,)):
            yield getattr(plugin, callback)
    elif type(plugin) is not EvaluationPlugin or any(
        _overrides(logger, callback, (BaseLogger,)) for logger in plugin.loggers
    ):
        yield getattr(plugin, callback)
    else:
        for metric in plugin.metrics:
            if _overrides(metric, callback, (PluginMetric,)):
                yield _publishing(plugin, getattr(metric, callback))


def _publishing(evaluator: EvaluationPlugin, metric: Listener) -> Listener:
    """Calls a metric as its evaluation plugin would, and hands on what it emits."""
    state = vars(evaluator)  # any other way to its attributes goes through code of its own

    def call(strategy: Any, **kwargs: Any) -> None:
        if not state["_active"]:
            return
        emitted = metric(strategy)
        if emitted is not None:
            for value in emitted if isinstance(emitted, Sequence) else [emitted]:
                evaluator.publish_metric_value(value)
        if state["_metric_values"]:  # a plugin may have published some, too
            for logger in evaluator.loggers:
                logger.log_metrics(state["_metric_values"])
            state["_metric_values"] = []

    return call


def _overrides(part: Any, callback: str, bases: tuple[type, ...]) -> bool:
    if callback in getattr(part, "__dict__", {}):
        return True
    own = getattr(type(part), callback, None) or getattr(part, callback, None)
    return own is not None and all(own is not getattr(base, callback, None) for base in bases)
