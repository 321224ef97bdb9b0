"""Findings of a scenario's checks, and how the checks read unvalidated values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

KeyPath = tuple[str | int, ...]
"""Path of a value in a document, as keys and positions: ``("stream", "class_order", 3)``."""


class Finding(NamedTuple):
    """A problem at a path of a document.

    Attributes:
        path: Path of the value at fault.
        what: Problem, with the value.
        fix: Remedy.

    """

    path: KeyPath
    what: str
    fix: str | None = None


def whole(block: Mapping[str, Any], key: str, least: int = 1) -> int | None:
    """Return the value at a key if it is an integer of at least ``least``, else None.

    Example:
        >>> whole({"shots": 5}, "shots"), whole({"shots": True}, "shots"), whole({}, "shots")
        (5, None, None)

    """
    value = block.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= least else None
