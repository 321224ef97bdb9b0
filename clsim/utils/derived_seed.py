"""Seeds derived from the seed of a run. Imports no torch."""

from __future__ import annotations

import hashlib


def derived_seed(seed: int, name: str) -> int:
    """Return a 32-bit seed for one purpose, the same on every machine.

    Args:
        seed: Seed of the run.
        name: Purpose; different names give unrelated seeds.

    Example:
        >>> derived_seed(42, "shots")
        945319760
    """
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:4], "big")
