"""What every block of a scenario is, and the numbers that many of them hold."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Seed = Annotated[int, Field(ge=0, lt=2**32)]  # the range every library in use accepts
Fraction = Annotated[float, Field(ge=0, le=1)]


class Block(BaseModel):
    """A block of a scenario: fixed keys, nothing coerced, nothing changed after loading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
