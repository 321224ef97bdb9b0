"""Procrustes between image-text models: one rotation, from captions alone, in closed form.

No gradient and no image: both models read the same captions, and the new one's features are turned to where the old
one's lie. The rotation that fits the texts is applied to images as well. Optionally images take part in the fit; and
optionally a query is moved along the great circle from the old model's feature to the turned new one (SLERP), for
which both models have to stay in service.
"""

from typing import Literal

from clsim import Strategy
from clsim.models import ImageTextModel, LoadedClip, Projection
from clsim.plugins import ClipUpgrade, TextProjection
from clsim.streams import TextStream

STREAMS = ("text_upgrade",)


def build(
    stream: TextStream,
    *,
    paired: bool = False,
    share: float | None = None,
    precision: Literal["fp32", "bf16", "fp16"] = "fp32",
    device: str = "cpu",
) -> Strategy:
    """Composes the closed form.

    Args:
        stream: brings the models and the captions.
        paired: fit the rotation to the stream's images as well, beside its captions.
        share: of the way from the old model's feature to the turned new one; null: all of it, without the old model.
        precision: of the forward pass.
        device: where it runs.

    """

    def turned(clip: LoadedClip, old: ImageTextModel) -> ImageTextModel:
        model = ImageTextModel(clip, beside=None if share is None else (old, share))
        model.projection = Projection(model.width, old.features)
        return model.requires_grad_(False)

    upgrade = ClipUpgrade(stream.models, turned)
    return Strategy(
        model=ImageTextModel(stream.models[0].clip),
        train_epochs=0,
        device=device,
        plugins=[upgrade, TextProjection(upgrade, stream.texts, steps=0, images=paired)],
        precision=precision,
    )
