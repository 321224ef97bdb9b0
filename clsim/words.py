"""How messages name values and what someone may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


def describe(value: Any) -> str:
    """A value as a message shows it: its kind, and what it is."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"the text '{_short(value, 60)}'"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "a block of keys"
    return _short(repr(value), 40)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name most like `word`, if any is."""
    names = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.5)
    return names[found[0]] if found else None


def suggestion(word: str, known: Iterable[str]) -> str | None:
    """The remedy for an unknown name: the nearest one, and all that are allowed."""
    known = list(known)
    near = nearest(word, known)
    meant = f"did you mean '{near}'? " if near else ""
    return f"{meant}allowed: {', '.join(known)}" if known else None


def _short(text: str, length: int) -> str:
    text = text.encode("unicode_escape").decode() if not text.isprintable() else text
    return text if len(text) <= length else text[: length - 3] + "..."
