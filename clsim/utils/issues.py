"""Findings of a scenario's checks, and how the checks read unvalidated values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

KeyPath = tuple[str | int, ...]
"""Keys and positions from the top of a document to one value: ``("stream", "class_order", 3)``."""


class Finding(NamedTuple):
    """Something wrong at a path of the document."""

    path: KeyPath
    what: str
    fix: str | None = None


def whole(block: Mapping[str, Any], key: str, least: int = 1) -> int | None:
    """The whole number at a key, if it is one and not too small."""
    value = block.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= least else None
