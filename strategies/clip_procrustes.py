"""Procrustes between image-text models: one rotation, from captions alone, in closed form.

No gradient and no image: both models read the same captions, and the new one's features are turned to where the old
one's lie. The rotation that fits the texts is applied to images as well. Optionally images take part in the fit.

With `share` a query lies on the great circle from the old model's feature to the turned new one (SLERP), and both
models stay in service. The circle lies in the space of the longer features, in which the shorter ones are filled up
with zeros. SLERP's authors choose a share for each direction on captions of CC3M: 0.7 for images and 0.5 for texts,
from ViT-B-32 to ViT-L-14.
"""

from typing import Literal

from clsim import Strategy
from clsim.models import ImageTextModel, LoadedClip, Projection
from clsim.plugins import ClipUpgrade, TextProjection
from clsim.streams import TextStream
from clsim.utils.arguments import Fraction
from clsim.utils.errors import UserError

STREAMS = ("text_upgrade",)
REQUIRES = ("text_upgrade",)


def build(
    stream: TextStream,
    *,
    paired: bool = False,
    share: Fraction | None = None,
    text_share: Fraction | None = None,
    precision: Literal["fp32", "bf16", "fp16"] = "fp32",
    device: str = "cpu",
) -> Strategy:
    """Composes the closed form.

    Args:
        stream: brings the models and the captions.
        paired: fit the rotation to the stream's images as well, beside its captions.
        share: Share in [0, 1] of the way from the old model's feature to the turned new one, for queries that are
            images; null: all of it, without the old model.
        text_share: Share for queries that are texts; null: that of images.
        precision: of the forward pass.
        device: where it runs.

    Raises:
        UserError: A share is outside [0, 1], or there is one for texts only.

    """
    if share is None and text_share is not None:
        fix = "give share as well; with 1 images are queries without the old model"
        raise UserError("text_share is given without share", where="text_share", fix=fix)
    shares = None if share is None else (share, share if text_share is None else text_share)
    if shares is not None and not all(0 <= each <= 1 for each in shares):
        raise UserError(f"shares of {shares[0]:g} and {shares[1]:g}", where="share", fix="give shares from 0 to 1")

    def turned(clip: LoadedClip, old: ImageTextModel) -> ImageTextModel:
        model = ImageTextModel(clip) if shares is None else ImageTextModel(clip, beside=old, shares=shares)
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
