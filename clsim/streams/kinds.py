"""The kinds of stream, and what a strategy file's ``STREAMS`` may say of them. Imports no torch."""

from __future__ import annotations

from typing import Any

from clsim.utils.text import describe, suggestion

CLASS_KINDS = ("fscil", "incremental", "replacement", "upgrade")
"""Kinds whose items have class ids: what a strategy runs on that says nothing."""
KINDS = (*CLASS_KINDS, "text_upgrade")
"""Every kind. Those without class ids (image-caption pairs) are only for strategies that name them."""
EXAMPLE = 'write for instance STREAMS = ("upgrade",)'


def check_kinds(value: object) -> tuple[str, ...]:
    """The kinds that ``STREAMS`` names.

    Args:
        value: of the constant.

    Raises:
        ValueError: it is no tuple or list of known kinds, or names none; the message says so, a second argument
            what to do.

    Example:
        >>> check_kinds(("upgrade", "text_upgrade"))
        ('upgrade', 'text_upgrade')

    """
    if not isinstance(value, (tuple, list)) or not value:
        raise ValueError(f"STREAMS: expected a tuple of kinds of stream, got {describe(value)}", EXAMPLE)
    for kind in value:
        if not isinstance(kind, str):
            raise ValueError(f"STREAMS: expected the name of a kind of stream, got {describe(kind)}", EXAMPLE)
        if kind not in KINDS:
            raise ValueError(f"STREAMS: there is no kind of stream '{kind}'", suggestion(kind, KINDS))
    return tuple(value)


def kinds_of(stream: Any) -> tuple[str, ...]:
    """Return the kinds that a stream may be of, as far as that can be seen when it was built in Python.

    One into which models may arrive need not have any.
    """
    if hasattr(stream, "pairs"):
        return ("text_upgrade",)
    if getattr(stream, "few_shot", False):
        return ("fscil",)
    return ("upgrade",) if getattr(stream, "cumulative", False) else ("incremental", "replacement")
