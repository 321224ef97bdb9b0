"""The name of what a recipe makes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def recipe_hash(trainer: int, fields: Mapping[str, Any]) -> str:
    """16 hexadecimal digits over the fields of a recipe and the version of the code that follows it."""
    text = json.dumps({"trainer": trainer, **fields}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
