"""Image-text models without alignment or training.

The reference of every text upgrade, in both directions: in its own index the new model shows the recall that
compatibility may cost. In the index of the old model its recall is that of chance, or 0 where widths differ.
"""

from clsim import Strategy
from clsim.models import ImageTextModel
from clsim.plugins import ClipUpgrade
from clsim.streams import TextStream
from clsim.training.options import Precision

STREAMS = ("text_upgrade",)
REQUIRES = ("text_upgrade",)


def build(stream: TextStream, *, precision: Precision = "fp32", device: str = "cpu") -> Strategy:
    """Compose the reference.

    Args:
        stream: Stream of image-text models.
        precision: Number format of the forward pass.
        device: Device of the models.

    """
    return Strategy(
        model=ImageTextModel(stream.models[0].clip),
        train_epochs=0,
        device=device,
        plugins=[ClipUpgrade(stream.models, lambda clip, old: ImageTextModel(clip))],
        precision=precision,
    )
