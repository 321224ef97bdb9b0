"""A seed for each part of a run. Imports no torch."""

from __future__ import annotations

import hashlib


def derived_seed(seed: int, name: str) -> int:
    """A seed for what `name` says, of 32 bits: the same everywhere, and unlike that of any other name.

    Example:
        >>> derived_seed(42, "shots")
        945319760

    """
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:4], "big")
