"""Image-text models without alignment or training.

The reference for every text upgrade. In its own index the new model shows the recall without a compatibility
constraint. In the index of the old model its recall is at chance level, or 0 if the widths differ.
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
        precision: Floating-point format of the forward pass.
        device: Device of the models.

    """
    return Strategy(
        model=ImageTextModel(stream.models[0].clip),
        train_epochs=0,
        device=device,
        plugins=[ClipUpgrade(stream.models, lambda clip, old: ImageTextModel(clip))],
        precision=precision,
    )
