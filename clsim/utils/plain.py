"""Values of numpy and torch as plain Python values, as a YAML file holds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LONGEST = 100_000
"""Longest array converted item by item; no setting is longer."""


def plain(value: Any) -> Any:
    """Return numbers and arrays of numpy and torch as plain Python values, also inside lists and mappings.

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
    """Return a number of NumPy or torch as a Python number, and anything else unchanged."""
    if _is_array(value) and value.ndim == 0:
        return value.tolist()
    return str.__str__(value) if isinstance(value, str) else value


def listed(value: Any) -> Any:
    """Return a sequence as a list, and text or anything else unchanged."""
    if _is_array(value) and value.ndim == 1 and len(value) <= LONGEST:
        return value.tolist()
    return list(value) if isinstance(value, (list, tuple, range)) else value


def _is_array(value: Any) -> bool:
    """Return whether a value is of NumPy or torch, without importing either."""
    home = type(value).__module__.partition(".")[0]
    return home in ("numpy", "torch") and hasattr(value, "tolist") and hasattr(value, "ndim")
