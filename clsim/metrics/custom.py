"""Metrics of one's own: whatever gives a number once a session has been evaluated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from numbers import Real
from typing import Any

from avalanche.evaluation import PluginMetric
from torch import Tensor


def own_figures(metrics: Iterable[PluginMetric[Any]]) -> dict[str, float | None]:
    """What metrics give as ``result()``: a number by ``str(metric)``, or several by name below that.

    Anything else, such as a matrix, is left out: a record holds figures. A number that is infinite or none is ``None``.
    Where two metrics have one name, the later ones are told apart by a number.

    Args:
        metrics: after an evaluation.

    Example:
        >>> from avalanche.evaluation.metrics import EpochTime
        >>> own_figures([EpochTime()])
        {'Time_Epoch': 0.0}

    """
    found: dict[str, float | None] = {}
    for metric in metrics:
        for name, value in _numbers(str(metric), metric.result()):
            found[_free(name, found)] = value if isfinite(value) else None
    return found


def _numbers(name: str, result: Any) -> Iterator[tuple[str, float]]:
    if isinstance(result, Mapping):
        for key, value in result.items():
            yield from _numbers(f"{name}/{key}", value)
    elif isinstance(result, Tensor):
        if result.numel() == 1 and not result.is_complex():
            yield name, float(result)
    elif isinstance(result, Real):
        yield name, float(result)


def _free(name: str, taken: Mapping[str, object]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name} {number}"
    return free
