"""One check of a verification and its result. Plain values in and out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Verdict = Literal["agrees", "DIFFERS", "not checked"]
CLOSE = 1e-9
"""Relative difference of float sums between versions of Python, too small for any printed figure."""


@dataclass(frozen=True)
class Check:
    """A check.

    Attributes:
        what: What was checked.
        verdict: Result.
        detail: The difference, or why it was not checked; if it agrees, how much was checked.

    """

    what: str
    verdict: Verdict
    detail: str = ""


def agrees(what: str, detail: str = "") -> Check:
    """Return a check that passed."""
    return Check(what, "agrees", detail)


def differs(what: str, detail: str) -> Check:
    """Return a check that failed."""
    return Check(what, "DIFFERS", detail)


def not_checked(what: str, because: str) -> Check:
    """Return a check that could not be made."""
    return Check(what, "not checked", because)


def compared(what: str, found: Any, computed: Any, *, close: float = CLOSE, detail: str = "") -> Check:
    """Compare a value of a file with the computed one; ``detail`` is for the case that they agree."""
    difference = first_difference(found, computed, close=close)
    return agrees(what, detail) if difference is None else differs(what, difference)


def compared_hash(what: str, noted: str | None, now: str) -> Check:
    """Compare the hash in the manifest with that of now."""
    if noted is None:
        return not_checked(what, "the manifest holds no hash")
    return agrees(what, now[:12]) if noted == now else differs(what, f"{noted[:12]} in the manifest, {now[:12]} here")


def first_difference(found: Any, computed: Any, place: str = "", *, close: float = CLOSE) -> str | None:
    """Return the first difference of two JSON values; ``None`` if they are equal.

    Example:
        >>> first_difference({"am": [0.5, 0.25]}, {"am": [0.5, 0.75]})
        'am[1]: 0.25 in the file, 0.75 computed'

    """
    if isinstance(found, Mapping) and isinstance(computed, Mapping):
        for key in [*computed, *(key for key in found if key not in computed)]:
            at = f"{place}.{key}" if place else str(key)
            if key not in found or key not in computed:
                return f"{at}: {'not in' if key not in found else 'only in'} the file"
            if (difference := first_difference(found[key], computed[key], at, close=close)) is not None:
                return difference
        return None
    if _is_list(found) and _is_list(computed):
        if len(found) != len(computed):
            return f"{place}: {len(found)} entries in the file, {len(computed)} computed".removeprefix(": ")
        for index, (one, other) in enumerate(zip(found, computed, strict=True)):
            if (difference := first_difference(one, other, f"{place}[{index}]", close=close)) is not None:
                return difference
        return None
    if _same(found, computed, close):
        return None
    return f"{place}: {_shown(found)} in the file, {_shown(computed)} computed".removeprefix(": ")


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _same(one: Any, other: Any, close: float) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    if numbers and float in (type(one), type(other)):  # counts are equal or not
        return math.isclose(one, other, rel_tol=close, abs_tol=close)
    return bool(one == other)


def _shown(value: Any) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
