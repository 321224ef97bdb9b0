"""Hash of a recipe, which names its weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def recipe_hash(trainer: int, fields: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits over a recipe's fields and the version of its trainer."""
    text = json.dumps({"trainer": trainer, **fields}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
