"""Image-text models as they were loaded: nothing is aligned, nothing is trained.

The reference of every text upgrade, from both sides: what the new model finds in its own index is what compatibility
may cost, and in the index of the old one it finds what chance finds, or nothing at all where widths differ.
"""

from typing import Literal

from clsim import Strategy
from clsim.models import ImageTextModel
from clsim.plugins import ClipUpgrade
from clsim.streams import TextStream

STREAMS = ("text_upgrade",)
REQUIRES = ("text_upgrade",)


def build(stream: TextStream, *, precision: Literal["fp32", "bf16", "fp16"] = "fp32", device: str = "cpu") -> Strategy:
    """Composes the reference.

    Args:
        stream: brings the models.
        precision: of the forward pass.
        device: where it runs.

    """
    return Strategy(
        model=ImageTextModel(stream.models[0].clip),
        train_epochs=0,
        device=device,
        plugins=[ClipUpgrade(stream.models, lambda clip, old: ImageTextModel(clip))],
        precision=precision,
    )
