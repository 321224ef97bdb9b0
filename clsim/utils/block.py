"""Base class of a scenario's blocks, and types of numbers that many blocks share."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le, Lt
from pydantic import BaseModel, ConfigDict

Seed = Annotated[int, Ge(0), Lt(2**32)]  # the range that all libraries in use accept
Fraction = Annotated[float, Ge(0), Le(1)]


class Block(BaseModel):
    """A block of a scenario: fixed keys, no coercion, immutable."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
