"""Differences of two runs, by their manifests and scenarios."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from clsim.utils.errors import UserError

if TYPE_CHECKING:
    from clsim.config import Scenario

IDENTITY = ("scenario", "strategy", "seed")
"""Facts that a complete run must share with the run that was asked for."""
NO_MATTER = ("description", "published", "references", "checkpoints", "trackers", "otherwise", "seed", "strategy")
"""Keys of a scenario that change no figure, or that the manifest has itself."""
SAME = (
    "scenario",
    "strategy",
    "seed",
    "seeds",
    "precision",
    "compile",
    "stands_in_for",
    "processes",
    "python",
    "clsim",
)
"""Facts that two equal runs share."""
SAME_PARTS = ("packages", "hashes", "split_lists", "batch_sizes")
"""Blocks of facts that two equal runs share."""


@dataclass(frozen=True)
class Difference:
    """A fact with different values in two manifests; ``None`` where one does not have it."""

    key: str
    before: Any
    now: Any

    def __str__(self) -> str:
        return f"{self.key}: {_short(self.before)} -> {_short(self.now)}"


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """Return the differences that make a resumed run another run than the one that began.

    Time, command, the state of git (clsim's source has a hash) and the node do not count. Threads do not count, since a
    resumed run gets as many as before. Scenarios are compared by :func:`scenario_differences`.
    """
    first, second = _facts(before), _facts(now)
    keys = dict.fromkeys([*first, *second])
    return [Difference(key, first.get(key), second.get(key)) for key in keys if first.get(key) != second.get(key)]


def scenario_differences(path: Path, now: Scenario | None) -> list[str]:
    """Return the keys of a scenario that changed a run since its ``scenario.yaml`` was written, with both values.

    Args:
        path: Path of the ``scenario.yaml`` of the run.
        now: The scenario loaded now; ``None`` for a strategy composed in Python.

    Raises:
        UserError: The file is missing or damaged.

    """
    if now is None:
        return []
    try:
        before = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise UserError(f"this file cannot be read ({type(error).__name__})", where=str(path)) from error
    first, second = flat(before), flat(yaml.safe_load(now.to_yaml()))
    own = f"strategies.{now.selected_strategy.name}."
    return [
        str(Difference(f"scenario {key}", first.get(key), second.get(key)))
        for key in dict.fromkeys([*first, *second])
        if first.get(key) != second.get(key)
        and key.partition(".")[0] not in NO_MATTER
        and (key.startswith(own) or not key.startswith("strategies."))  # settings of other strategies do not count
    ]


def flat(content: Any, prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested blocks by dotted keys.

    Example:
        >>> flat({"a": {"b": 1}, "c": [1, 2]})
        {'a.b': 1, 'c': [1, 2]}

    """
    if not isinstance(content, Mapping):
        return {prefix: content}
    found: dict[str, Any] = {}
    for key, value in content.items():
        found |= flat(value, f"{prefix}.{key}" if prefix else str(key))
    return found


def _facts(content: Mapping[str, Any]) -> dict[str, Any]:
    device = str(content.get("device")).partition(":")[0]
    facts = {key: content.get(key) for key in SAME} | {"device": device}
    for part in SAME_PARTS:
        facts |= {f"{part}.{key}": value for key, value in (content.get(part) or {}).items()}
    facts.pop("hashes.scenario file", None)
    return facts


def _short(value: Any) -> str:
    if isinstance(value, str) and len(value) == hashlib.sha256().digest_size * 2:
        return value[:12]
    return "nothing" if value is None else str(value)
