"""Plugins that implement a callback, found once an epoch: an idle plugin can cost more than a small step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from avalanche.evaluation import PluginMetric
from avalanche.logging import BaseLogger
from avalanche.training.plugins import EvaluationPlugin, SupervisedPlugin

from clsim.utils.avalanche import publishing

Listener = Callable[..., Any]
Group = TypeVar("Group", bound="_Callbacks")


@dataclass(frozen=True, slots=True)
class _Callbacks:
    """Listeners of several callbacks; every field is named after its callback."""

    @classmethod
    def of(cls: type[Group], plugins: Iterable[Any]) -> Group:
        """Return the listeners among ``plugins``, in their order."""
        every = list(plugins)
        return cls(*(listeners(every, field.name) for field in fields(cls)))


@dataclass(frozen=True, slots=True)
class TrainingCallbacks(_Callbacks):
    """Listeners within a training iteration, in the order of the calls."""

    before_training_iteration: list[Listener]
    before_forward: list[Listener]
    after_forward: list[Listener]
    before_backward: list[Listener]
    after_backward: list[Listener]
    before_update: list[Listener]
    after_update: list[Listener]
    after_training_iteration: list[Listener]


@dataclass(frozen=True, slots=True)
class EvaluationCallbacks(_Callbacks):
    """Listeners within an evaluation iteration, in the order of the calls."""

    before_eval_iteration: list[Listener]
    before_eval_forward: list[Listener]
    after_eval_forward: list[Listener]
    after_eval_iteration: list[Listener]


def listeners(plugins: Iterable[Any], callback: str) -> list[Listener]:
    """Return the functions to call, with the strategy, at a callback.

    Avalanche calls every plugin. For its evaluation plugin it copies the experience and asks each metric and logger.
    Here a plugin that only inherits a callback is skipped, and metrics are called directly where no logger listens.

    Args:
        plugins: Plugins of a strategy, in their order.
        callback: Name such as ``before_forward``.

    Example:
        >>> listeners([SupervisedPlugin()], "before_forward")
        []

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
                yield publishing(plugin, getattr(metric, callback))


def _overrides(part: Any, callback: str, bases: tuple[type, ...]) -> bool:
    if callback in getattr(part, "__dict__", {}):
        return True
    found = getattr(type(part), callback, None) or getattr(part, callback, None)
    return found is not None and all(found is not getattr(base, callback, None) for base in bases)
