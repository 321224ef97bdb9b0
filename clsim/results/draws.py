"""Figures over the draws of the shots: mean, deviation and confidence interval of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clsim.metrics.functional.statistics import spread
from clsim.results.figures import CUSTOM, figure, ordered, session_of
from clsim.results.run_figures import figures_of

CONFIDENCE = 0.95
"""Confidence of the intervals in ``results.json``."""


def over_draws(
    draws: Sequence[Mapping[str, Any]], seeds: Sequence[int], confidence: float = CONFIDENCE
) -> dict[str, Any]:
    """Return the block ``draws`` of ``results.json``.

    The deviation is the sample standard deviation (n - 1); the interval is that of the mean, by Student's t.

    Args:
        draws: Content of ``results.json`` of every draw.
        seeds: Seed of every draw.
        confidence: Confidence of the intervals.

    Example:
        >>> runs = [{"status": "complete", "sessions": [{}], "summary": {"final_accuracy": x}} for x in (0.5, 0.7)]
        >>> block = over_draws(runs, [3, 4])
        >>> round(block["figures"]["final_accuracy"]["mean"], 3), block["seeds"]
        (0.6, [3, 4])

    """
    by_draw = [figures_of(results) for results in draws]
    keys = ordered(key for figures in by_draw for key in figures if is_repeated(key))
    figures = {}
    for key in keys:
        values = [figures.get(key) for figures in by_draw]
        found = spread([value for value in values if value is not None], confidence)
        interval = None if found.interval is None else list(found.interval)
        figures[key] = {**found._asdict(), "interval": interval, "values": values}
    return {"confidence": confidence, "seeds": list(seeds), "figures": figures}


def is_repeated(key: str) -> bool:
    """Return whether a figure can differ between draws; costs are not compared over them."""
    place = session_of(key)
    if key.startswith(CUSTOM):
        return True
    if place is not None:
        return place[1] > 0 and figure(place[0]).group != "cost"
    return figure(key).group != "cost"


def mean_over_draws(results: Mapping[str, Any], key: str) -> float | None:
    """Return the mean of a figure over the draws of a run; None if it has none.

    Example:
        >>> mean_over_draws({"draws": {"figures": {"final_accuracy": {"mean": 0.5}}}}, "final_accuracy")
        0.5
        >>> mean_over_draws({}, "final_accuracy") is None
        True

    """
    found = ((results.get("draws") or {}).get("figures") or {}).get(key)
    return None if found is None else found["mean"]
