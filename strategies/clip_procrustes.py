"""Procrustes between image-text models: one rotation, from captions alone, in closed form.

No gradient and no image: both models encode the same captions, and the new features are rotated towards the old
ones. The rotation that fits the texts is applied to images as well. Optionally the fit includes images.

With `share` a query lies on the great circle from the old model's feature to the rotated new one (SLERP), and both
models stay in service. The circle lies in the space of the longer features; the shorter ones are padded with zeros.
SLERP's authors choose a share for each direction on captions of CC3M: 0.7 for images and 0.5 for texts, from ViT-B-32
to ViT-L-14.
"""

from clsim import Strategy
from clsim.models import ImageTextModel, LoadedClip, Projection
from clsim.plugins import ClipUpgrade, TextProjection
from clsim.streams import TextStream
from clsim.training.options import Precision
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
    precision: Precision = "fp32",
    device: str = "cpu",
) -> Strategy:
    """Compose the alignment in closed form.

    Args:
        stream: Stream of image-text models, with captions.
        paired: Whether to fit the rotation to the stream's images as well as its captions.
        share: Share in [0, 1] of the way from the old model's feature to the rotated new one, for image queries; null:
            the rotated feature alone, without the old model.
        text_share: Share for text queries; null: the same as for image queries.
        precision: Floating-point format of the forward pass.
        device: Device of the models.

    Raises:
        UserError: A share is outside [0, 1], or only texts have one.

    """
    if share is None and text_share is not None:
        fix = "give share as well; 1 keeps the old model out of image queries"
        raise UserError("text_share is given without share", where="text_share", fix=fix)
    shares = None if share is None else (share, share if text_share is None else text_share)
    if shares is not None and not all(0 <= each <= 1 for each in shares):
        raise UserError(f"shares of {shares[0]:g} and {shares[1]:g}", where="share", fix="give shares from 0 to 1")

    def new_model(clip: LoadedClip, old: ImageTextModel) -> ImageTextModel:
        model = ImageTextModel(clip) if shares is None else ImageTextModel(clip, beside=old, shares=shares)
        model.projection = Projection(model.width, old.features)
        return model.requires_grad_(False)

    upgrade = ClipUpgrade(stream.models, new_model)
    return Strategy(
        model=ImageTextModel(stream.models[0].clip),
        train_epochs=0,
        device=device,
        plugins=[upgrade, TextProjection(upgrade, stream.texts, steps=0, images=paired)],
        precision=precision,
    )
