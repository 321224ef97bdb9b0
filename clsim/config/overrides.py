"""Overrides of a scenario's values, as in ``--set stream.shots=1``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from clsim.config.scenario import strategy_name
from clsim.config.yaml import Document, parse
from clsim.utils.errors import UserError, UserErrors
from clsim.utils.issues import KeyPath
from clsim.utils.plain import plain
from clsim.utils.text import describe

Overrides = Mapping[str, object] | Sequence[str] | None  # {"stream.shots": 1} or ["stream.shots=1"]


class Applied(NamedTuple):
    """Overrides that were written into a document.

    Attributes:
        values: Overrides by dotted key, in their order, without options.
        paths: Paths of all values that overrides and options have written.

    """

    values: dict[str, Any]
    paths: frozenset[KeyPath]


def apply(document: Document, overrides: Overrides, options: Mapping[str, object]) -> Applied:
    """Write overrides into a document. Problems with an overridden value are then located at its option.

    ``strategy.NAME`` is a setting of the strategy that runs, in any order of the overrides.

    Args:
        document: Document of the scenario. It is modified.
        overrides: Values by dotted key.
        options: Values of command-line options that are named like their keys; ``None`` if not given.

    """
    values: dict[str, Any] = {}
    changes: list[tuple[tuple[str, ...], Any, str]] = []
    for keys, value, place in _read(overrides, document.problems):
        path = tuple(keys.split("."))
        if all(path):
            changes.append((path, value, place))
            values.pop(keys, None)  # of a repeated key the last one counts, also in its position
            values[keys] = value
        else:
            document.problems.append(UserError(f"'{keys}' is not a key", where=place, fix="write key.sub=value"))
    given = {name: value for name, value in options.items() if value is not None}
    changes += [((name,), _plain(value), f"--{name} {value}") for name, value in given.items()]
    ordered = sorted(changes, key=lambda change: change[0] != ("strategy",))
    written = [_write(document, *change) for change in ordered]
    return Applied(values, frozenset(path for path in written if path))


def _read(overrides: Overrides, problems: list[UserError]) -> list[tuple[str, Any, str]]:
    if isinstance(overrides, Mapping):
        return [(str(keys), _plain(value), f"override {keys}") for keys, value in overrides.items()]
    if isinstance(overrides, str) or not isinstance(overrides, Sequence | None):
        what = f"overrides: expected a list or a block of keys, got {describe(overrides)}"
        problems.append(UserError(what, fix='write {"stream.shots": 1} or ["stream.shots=1"]'))
        return []
    read = []
    for text in map(str, overrides or ()):
        keys, sign, value = text.partition("=")
        place = f"--set {text}"
        if not sign:
            problems.append(UserError("has no value", where=place, fix="write key.sub=value"))
            continue
        try:
            document = parse(value, place)
        except UserErrors as errors:
            reason = errors.errors[-1].what
            problems.append(UserError(reason, where=place, fix="put text with special characters in quotes"))
            continue
        problems += [UserError(problem.what, where=place) for problem in document.problems]
        read.append((keys.strip(), document.value, place))
    return read


def _plain(value: Any) -> Any:
    """Return a value as a YAML file would hold it: tuples as lists, objects as their text."""
    value = plain(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _write(document: Document, path: KeyPath, value: Any, place: str) -> KeyPath | None:
    selected = document.value.get("strategy")
    if path[0] == "strategy" and len(path) > 1:
        if not isinstance(selected, str):
            document.problems.append(UserError("no strategy is named, so it has no settings", where=place))
            return None
        path = ("strategies", strategy_name(selected), *path[1:])
    block = document.value
    for depth, key in enumerate(path[:-1]):
        if block.get(key) is None:
            block[key] = {}
            document.places[path[: depth + 1]] = place
        block = block[key]
        if not isinstance(block, dict):
            at = ".".join(map(str, path[: depth + 1]))
            document.problems.append(UserError(f"{at} has no keys below it", where=place))
            return None
    block[path[-1]] = value
    stale = [known for known in document.places if known[: len(path)] == path]
    for known in stale:
        del document.places[known]
    document.places[path] = place
    return path
