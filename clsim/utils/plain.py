"""Values as YAML would hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LONGEST = 100_000
"""Items of an array that are looked at one by one; a longer one is nobody's setting."""


def plain(value: Any) -> Any:
    """Return numbers and arrays of numpy and torch as Python's own, within lists and mappings too.

    Example:
        >>> import numpy as np
        >>> plain({"classes": np.array([50, 100]), "seed": np.int64(3), "name": "a"})
        {'classes': [50, 100], 'seed': 3, 'name': 'a'}

    """
    if isinstance(value, Mapping):
        return {scalar(key): plain(inner) for key, inner in value.items()}
    found = listed(value)
    return [plain(inner) for inner in found] if isinstance(found, list) else scalar(value)


def scalar(value: Any) -> Any:
    """Return a number of numpy or torch as Python's own, and anything else as it is."""
    if _is_array(value) and value.ndim == 0:
        return value.tolist()
    return str.__str__(value) if isinstance(value, str) else value


def listed(value: Any) -> Any:
    """Return a sequence as a list, and text or anything else as it is."""
    if _is_array(value) and value.ndim == 1 and len(value) <= LONGEST:
        return value.tolist()
    return list(value) if isinstance(value, (list, tuple, range)) else value


def _is_array(value: Any) -> bool:
    """Return whether it is of numpy or torch, neither of which is imported for this."""
    home = type(value).__module__.partition(".")[0]
    return home in ("numpy", "torch") and hasattr(value, "tolist") and hasattr(value, "ndim")
