"""Kinds of stream, as a scenario and a strategy file's ``STREAMS`` name them. Imports no torch."""

from __future__ import annotations

from clsim.utils.text import describe, suggestion

CLASS_KINDS = ("fscil", "incremental", "replacement", "upgrade")
"""Kinds whose images have class ids. A strategy file without ``STREAMS`` runs on these."""
CAPTION_KINDS = ("text_upgrade",)
"""Kinds whose images have captions instead of class ids. A strategy must name them to run on them."""
KINDS = (*CLASS_KINDS, *CAPTION_KINDS)
UPGRADE_KINDS = ("upgrade", "text_upgrade")
"""Kinds that bring a new model in every session."""
EXAMPLE = 'write for instance STREAMS = ("upgrade",)'


def check_kinds(value: object) -> tuple[str, ...]:
    """Return the kinds of stream that ``STREAMS`` names.

    Args:
        value: Value of the constant.

    Raises:
        ValueError: The value is no tuple or list of known kinds, or is empty. The second argument of the error is
            the fix.

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
