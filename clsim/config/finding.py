"""What the checks of a scenario give, and how they look at values that may be anything."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from clsim.config.yaml_lines import KeyPath
from clsim.data.facts import FACTS, Facts
from clsim.words import suggestion


class Finding(NamedTuple):
    """Something wrong at a path of the document."""

    path: KeyPath
    what: str
    fix: str | None = None


def whole(block: Mapping[str, Any], key: str, least: int = 1) -> int | None:
    """The whole number at a key, if it is one and not too small."""
    value = block.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= least else None


def facts_of(name: object) -> Facts | None:
    """What is known of a data set, if `name` is the name of one."""
    return FACTS.get(name) if isinstance(name, str) else None


def check_model(path: KeyPath, name: object, models: Collection[str]) -> Iterator[Finding]:
    """A finding at `path` if `name` is a name, and none of the scenario's ``models:``."""
    if isinstance(name, str) and name not in models:
        fix = suggestion(name, models) or f"describe it: models: {{{name}: {{kind: ...}}}}"
        yield Finding(path, f"{'.'.join(map(str, path))}: there is no '{name}' in models", fix)
