"""Schema of ``validation:``, the evaluation on held-out training images. Imports no torch."""

from __future__ import annotations

from pydantic import Field

from clsim.utils.block import Block, Seed


class Validation(Block):
    """Held-out training images that replace the test images, so that settings can be chosen without test images.

    They are held out of sessions with all images of their classes. Few-shot sessions are not split, so a few-shot
    stream is evaluated on the classes of its base session.
    """

    share: float = Field(default=0.2, gt=0, lt=1, description="fraction of every class's training images")
    seed: Seed = Field(default=0, description="seed of the draw")
