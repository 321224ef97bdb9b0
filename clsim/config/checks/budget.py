"""Rules of ``budget:``: each part names one unit, and the stream has images to train on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from clsim.utils.issues import Finding, KeyPath

UNITS = ("steps", "images")


def check_budget(budget: object, stream: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the findings of the raw block.

    Args:
        budget: Block ``budget``; None: none.
        stream: Block ``stream``.

    """
    if not isinstance(budget, Mapping):
        return
    yield from _one_unit(("budget",), budget)
    base = budget.get("base")
    if isinstance(base, Mapping):
        yield from _one_unit(("budget", "base"), base)
    if stream.get("kind") == "replacement" and isinstance(stream.get("replacements"), list):
        for index, item in enumerate(stream["replacements"]):
            yield from _arrives_in_time(index, item, budget)


def _one_unit(path: KeyPath, block: Mapping[str, Any]) -> Iterator[Finding]:
    given = [unit for unit in UNITS if block.get(unit) is not None]
    name = ".".join(map(str, path))
    if not given:
        yield Finding(path, f"{name}: names neither steps nor images", "write steps: NUMBER or images: NUMBER")
    elif len(given) > 1:
        yield Finding((*path, "images"), f"{name}: steps and images exclude each other", "remove one of them")


def _arrives_in_time(index: int, item: object, budget: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield a finding for a model that would arrive after the last step of its session."""
    if not isinstance(item, Mapping):
        return
    session, after = item.get("during"), item.get("after_iterations")
    base = budget.get("base")
    limit = base if session == 0 and isinstance(base, Mapping) else budget
    steps = limit.get("steps")
    if type(steps) is int and type(after) is int and after > steps:
        path = ("stream", "replacements", index, "after_iterations")
        what = f"{'.'.join(map(str, path))}: {after}, but the budget of session {session} is {steps} steps"
        yield Finding(path, what, "raise the budget, or let the model arrive earlier")
