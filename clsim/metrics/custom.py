"""Figures of custom metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from numbers import Real
from typing import Any

from avalanche.evaluation import PluginMetric
from torch import Tensor


def custom_figures(metrics: Iterable[PluginMetric[Any]]) -> dict[str, float | None]:
    """Return the numbers that metrics compute, by name.

    The name is ``str(metric)``, with the keys below it if ``result()`` is a mapping. NaN and infinite numbers become
    ``None``. Other results, such as matrices, are omitted. Duplicate names get a number.

    Args:
        metrics: Metrics after an evaluation.

    Example:
        >>> from avalanche.evaluation.metrics import EpochTime
        >>> custom_figures([EpochTime()])
        {'Time_Epoch': 0.0}

    """
    found: dict[str, float | None] = {}
    for metric in metrics:
        for name, value in _numbers(str(metric), metric.result()):
            found[_unique(name, found)] = value if isfinite(value) else None
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


def _unique(name: str, taken: Mapping[str, object]) -> str:
    number, unique = 1, name
    while unique in taken:
        number += 1
        unique = f"{name} {number}"
    return unique
