"""Points of a sweep: the changes of each run, and the name of its directory."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from clsim.config.yaml import resolve
from clsim.sweep.schema import Changes, Sweep
from clsim.utils.issues import KeyPath

USUAL = "as_it_is"
"""Directory of runs without a change."""
LONGEST = 80
"""Maximum length of a directory's name."""
Place = Mapping[str, KeyPath]
"""Location in the sweep file of every change of a point."""


def points(sweep: Sweep) -> Iterator[tuple[Changes, Place]]:
    """Yield every entry of the list with every combination of the grid, in the order of the file.

    Yields:
        Changes of each point, and the locations of these and of all ``overrides``.

    """
    everywhere: dict[str, KeyPath] = {key: ("overrides", key) for key in sweep.overrides}
    for number, listed in enumerate(sweep.list or [{}]):
        axes = [[(key, at) for at in range(len(values))] for key, values in sweep.grid.items()]
        for combination in itertools.product(*axes):
            drawn = {key: sweep.grid[key][at] for key, at in combination}
            places: dict[str, KeyPath] = {key: ("list", number, key) for key in listed}
            places |= {key: ("grid", key, at) for key, at in combination}
            yield {**listed, **drawn}, everywhere | places


def of_strategy(changes: Mapping[str, Any], name: str) -> Changes:
    """Return the changes that apply to a strategy, without ``strategies.OTHER.KEY`` of others.

    Example:
        >>> of_strategy({"strategies.cpe_clip.epochs": 3, "stream.shots": 1}, "zero_shot")
        {'stream.shots': 1}

    """
    return {key: value for key, value in changes.items() if _meant_for(key) in (None, name)}


def slug(changes: Mapping[str, Any]) -> str:
    """Return a directory's name with the changes. A hash replaces what no name can hold.

    Example:
        >>> slug({"strategy.epochs": 3, "stream.shots": 1}), slug({})
        ('epochs=3,stream.shots=1', 'as_it_is')

    """
    if not changes:
        return USUAL
    keys = {key: _short(key) for key in changes}
    if len(set(keys.values())) < len(keys):
        keys = {key: key for key in changes}
    text = ",".join(f"{keys[key]}={_text(value)}" for key, value in changes.items())
    plain = re.sub(r"[^A-Za-z0-9._=,+-]+", "_", text)
    if plain == text and len(text) <= LONGEST:
        return text
    digest = hashlib.sha256(json.dumps(changes, sort_keys=True).encode()).hexdigest()[:8]
    return f"{plain[: LONGEST - 9].rstrip('_')}-{digest}"


def changes_text(changes: Mapping[str, Any]) -> str:
    """Return the changes as text.

    Example:
        >>> changes_text({"strategy.epochs": 3})
        'strategy.epochs=3'

    """
    return ", ".join(f"{key}={_text(value)}" for key, value in changes.items()) or "no changes"


def _meant_for(key: str) -> str | None:
    """Return the strategy whose setting a key names, ``None`` for other keys."""
    first, _, rest = key.partition(".")
    return rest.partition(".")[0] if first == "strategies" else None


def _short(key: str) -> str:
    if key.startswith("strategies."):
        return key.split(".", 2)[-1]
    return key.removeprefix("strategy.")


def _text(value: Any) -> str:
    if isinstance(value, str) and isinstance(resolve(value), str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
