"""Schema of ``budget:``. Imports no torch."""

from __future__ import annotations

from pydantic import Field

from clsim.utils.block import Block


class SessionLimit(Block):
    """Extent of a session's training, in one of two units."""

    steps: int | None = Field(default=None, ge=1, description="optimization steps of a session")
    images: int | None = Field(default=None, ge=1, description="images in all training batches of a session")


class Budget(SessionLimit):
    """The same training for every strategy, in place of its own number of passes over the images."""

    base: SessionLimit | None = Field(default=None, description="budget of the base session; null: the same")
