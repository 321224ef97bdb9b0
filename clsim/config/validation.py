"""The schema of ``validation:``, which measures a run on held-out training images. Imports no torch."""

from __future__ import annotations

from pydantic import Field

from clsim.utils.block import Block, Seed


class Validation(Block):
    """Training images that take the place of the test images, so that settings can be chosen without looking at these.

    They are held out where a session brings all images of its classes; few shots stay as they are, and then only the
    classes of the base session are measured.
    """

    share: float = Field(default=0.2, gt=0, lt=1, description="of every class's training images")
    seed: Seed = Field(default=0, description="of their draw")
