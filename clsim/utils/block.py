"""What every block of a scenario is, and the numbers that many of them hold."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le, Lt
from pydantic import BaseModel, ConfigDict

Seed = Annotated[int, Ge(0), Lt(2**32)]  # the range every library in use accepts
Fraction = Annotated[float, Ge(0), Le(1)]


class Block(BaseModel):
    """A block of a scenario: fixed keys, nothing coerced, nothing changed after loading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
