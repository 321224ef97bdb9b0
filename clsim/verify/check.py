"""One thing that was looked at, and what came out. Plain values in and out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Verdict = Literal["agrees", "DIFFERS", "not checked"]
CLOSE = 1e-9
"""Relative: what sums of floats may differ by from one Python to the next, and no printed figure does."""


@dataclass(frozen=True)
class Check:
    """One line of a verification.

    Attributes:
        what: was looked at.
        verdict: what came out.
        detail: what differs or why it was not checked; of what agrees, how much of it there is.

    """

    what: str
    verdict: Verdict
    detail: str = ""


def agrees(what: str, detail: str = "") -> Check:
    """It is as it should be."""
    return Check(what, "agrees", detail)


def differs(what: str, detail: str) -> Check:
    """It is not."""
    return Check(what, "DIFFERS", detail)


def not_checked(what: str, because: str) -> Check:
    """Nobody can tell here."""
    return Check(what, "not checked", because)


def compared(what: str, found: Any, computed: Any, *, close: float = CLOSE, detail: str = "") -> Check:
    """Whether a value of a file is the one computed anew; ``detail`` is told where it is."""
    difference = first_difference(found, computed, close=close)
    return agrees(what, detail) if difference is None else differs(what, difference)


def compared_hash(what: str, noted: str | None, now: str) -> Check:
    """Whether something has the hash that the manifest notes of it."""
    if noted is None:
        return not_checked(what, "the manifest has no hash of it")
    return agrees(what, now[:12]) if noted == now else differs(what, f"{noted[:12]} in the manifest, {now[:12]} here")


def first_difference(found: Any, computed: Any, place: str = "", *, close: float = CLOSE) -> str | None:
    """Where two values of JSON first differ, and by what; ``None`` where they are the same.

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
    return f"{place}: {_told(found)} in the file, {_told(computed)} computed".removeprefix(": ")


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _same(one: Any, other: Any, close: float) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    if numbers and float in (type(one), type(other)):  # counts are equal or not
        return math.isclose(one, other, rel_tol=close, abs_tol=close)
    return bool(one == other)


def _told(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
