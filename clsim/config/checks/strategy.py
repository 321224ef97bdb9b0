"""Checks of strategies: kind of stream and settings. Imports no torch and runs no strategy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from clsim.config.discovery import list_strategies
from clsim.config.signatures import REQUIRED, Signature, read_signature
from clsim.streams.kinds import KINDS
from clsim.utils.errors import UserErrors
from clsim.utils.issues import Finding, KeyPath
from clsim.utils.text import suggestion


def check_runs_on(path: KeyPath, name: str, signature: Signature, kind: object) -> Iterator[Finding]:
    """Yield a finding at `path` if the strategy does not run on this kind of stream; skip unknown kinds.

    Args:
        path: Path of the key that names the strategy.
        name: Name of the strategy.
        signature: Declarations of its file.
        kind: Kind of the scenario's stream.

    """
    if kind in KINDS and kind not in signature.streams:
        suits = ", ".join(signature.streams)
        what = f"the strategy {name} does not run on a stream of kind {kind}: it runs on {suits}"
        yield Finding(path, what, _able(str(kind)))


def check_settings(
    signature: Signature, name: str, given: Mapping[str, Any], path: KeyPath = ()
) -> tuple[list[Finding], dict[str, Any]]:
    """Return the problems of a strategy's settings, and all its settings with defaults filled in.

    Args:
        signature: Declarations of its file.
        name: Name of the strategy.
        given: Settings by name.
        path: Path of the key that names the strategy: the place of a missing setting where none is given.

    """
    found, resolved = [], {}
    for key in given:
        if key not in signature.settings:
            what = f"unknown setting '{key}' of {name}"
            found.append(Finding(("strategies", name, key), what, suggestion(key, signature.settings)))
    for key, setting in signature.settings.items():
        if key not in given:
            if setting.default is REQUIRED:
                at: KeyPath = ("strategies", name) if given else path
                found.append(Finding(at, f"the setting '{key}' of {name} is missing: {setting.expected}"))
            else:
                resolved[key] = setting.check(setting.default)  # converts a list to a tuple where the type is one
            continue
        try:
            resolved[key] = setting.check(given[key])
        except ValueError as error:
            text = given[key] if isinstance(given[key], str) else None
            meant = suggestion(text, setting.choices) if text is not None and setting.choices else None
            found.append(Finding(("strategies", name, key), f"strategies.{name}.{key}: {error}", meant))
    return found, resolved


def strategies_with_service(kind: str) -> list[str]:
    """Return the available strategies that declare to put the models of a kind of stream into service."""
    return [name for name, signature in _available() if kind in (signature.requires or ())]


def _able(kind: str) -> str:
    """Return the available strategies that run on a kind of stream, as the fix of a message."""
    able = [name for name, signature in _available() if kind in signature.streams]
    return f"strategies that run on {kind}: {', '.join(able) or 'none here'}"


def _available() -> Iterator[tuple[str, Signature]]:
    """Yield the available strategies, without files that cannot be read."""
    for name, path in list_strategies().items():
        with suppress(UserErrors):  # reported only for strategies that a scenario names
            yield name, read_signature(path)
