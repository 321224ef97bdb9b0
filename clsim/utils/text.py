"""Text in messages: values, foreign texts and suggestions."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


def clean(text: object) -> str:
    r"""Return a text for a terminal: on one line, with control characters escaped.

    Escape codes, newlines and marks that change the writing direction are written as in a Python string.

    Example:
        >>> print(clean("a\x1b[31mb\nc é"))
        a\x1b[31mb\nc é
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def short(text: object, length: int) -> str:
    """Return the text as :func:`clean` does, cut to ``length`` characters."""
    cut = clean(text)
    return cut if len(cut) <= length else cut[: length - 3] + "..."


def describe(value: Any) -> str:
    """Describe a value by its type and content, for messages."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"the string '{short(value, 60)}'"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "a block of keys"
    if type(value).__module__.partition(".")[0] in ("clsim", "torch", "avalanche"):  # whose repr may be long
        return f"an object of type {type(value).__name__}"
    return short(repr(value), 40)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name closest to ``word``; None if none is close."""
    names = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.5)
    return names[found[0]] if found else None


def suggestion(word: str, known: Iterable[str]) -> str | None:
    """Return a fix for an unknown name: the closest one and all allowed ones."""
    known = list(known)
    near = nearest(word, known)
    meant = f"did you mean '{near}'? " if near else ""
    return f"{meant}allowed: {', '.join(known)}" if known else None
