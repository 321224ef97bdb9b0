"""Overrides that change the protocol of published figures."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clsim.config.evaluation import Published
    from clsim.config.scenario import Scenario
    from clsim.utils.issues import KeyPath

OF_VERSIONS = ("ac", "am", "self_test", "upgrade")
"""Published figures that depend on the comparison of versions."""
COMPARING = "evaluation.compatibility"
_NO_MATTER = ("also",)  # a further criterion changes no other figure


def protocol_changes(before: Scenario | None, after: Scenario, overridden: Collection[KeyPath]) -> tuple[str, ...]:
    """Return the dotted keys of the protocol that overrides have changed: stream, incoming models, comparison.

    Settings of a strategy belong to the method, and seeds draw within the same protocol.

    Args:
        before: Scenario without overrides; ``None`` if the file is incomplete without them.
        after: Scenario with overrides.
        overridden: Paths that overrides have written.

    """
    if not overridden:
        return ()
    ours, theirs = _protocol(after), {} if before is None else _protocol(before)
    if before is None:
        return tuple(sorted({".".join(map(str, path)) for path in overridden} & set(ours)))
    return tuple(key for key in dict.fromkeys([*ours, *theirs]) if ours.get(key) != theirs.get(key))


def comparable_rows(rows: Mapping[str, Any], changes: Collection[str]) -> dict[str, Any]:
    """Return the published rows that remain comparable under a changed protocol.

    Args:
        rows: Raw block ``published``, by method.
        changes: Result of :func:`protocol_changes`.

    Example:
        >>> row = {"accuracy": [0.9, 0.8], "ac": 0.5, "source": "a paper"}
        >>> comparable_rows({"er": row}, ["evaluation.compatibility.criterion"])
        {'er': {'accuracy': [0.9, 0.8], 'source': 'a paper'}}
        >>> comparable_rows({"er": row}, ["stream.shots"])
        {}

    """
    if not changes:
        return dict(rows)
    if any(not key.startswith(COMPARING) for key in changes):
        return {}
    left = {
        name: {key: value for key, value in row.items() if key not in OF_VERSIONS} if isinstance(row, Mapping) else row
        for name, row in rows.items()
    }
    return {name: row for name, row in left.items() if set(row) - {"source", "settings"}}


def rows_of_form(rows: Mapping[str, Published], strategies: Mapping[str, Mapping[str, Any]]) -> dict[str, Published]:
    """Return the published rows that belong to the current settings of their strategies.

    Args:
        rows: Published rows by method.
        strategies: Settings by strategy, defaults filled in.

    """
    return {
        name: row
        for name, row in rows.items()
        if name not in strategies or all(strategies[name].get(key) == value for key, value in row.settings.items())
    }


def _protocol(scenario: Scenario) -> dict[str, Any]:
    """Return every key of the protocol with its value, defaults filled in."""
    stream = scenario.stream.model_dump(mode="json")
    found = {f"stream.{key}": value for key, value in stream.items()}
    found["budget"] = None if scenario.budget is None else scenario.budget.model_dump(mode="json")
    incoming = _texts(stream.get("replacements")) | _texts(stream.get("load"))
    found |= {f"models.{name}": recipe for name, recipe in scenario.models.items() if name in incoming}
    compatibility = scenario.evaluation.compatibility
    if compatibility is None:
        return {**found, COMPARING: None}
    compared = compatibility.model_dump(mode="json", exclude=set(_NO_MATTER))
    return found | {f"{COMPARING}.{key}": value for key, value in compared.items()}


def _texts(value: Any) -> set[str]:
    """Return all texts in nested lists and blocks."""
    if isinstance(value, str):
        return {value}
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return set().union(*map(_texts, inner))
