"""Convert an opened image file of any mode to upright RGB with 8 bits a channel, or refuse it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clsim.utils.errors import UserError

if TYPE_CHECKING:
    from PIL.ImageCms import ImageCmsTransform

Pixels = NDArray[np.uint8]
ORIENTATION = 0x0112
"""EXIF tag: how the camera was held."""
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339
"""Tags of a TIFF file."""
WHITE_IS_ZERO = 0
MODES_WITH_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
PLAIN_MODES = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV")
TOLERANCE = 1e-3
"""How far a float image may leave 0..1, as resampling may have left it."""
RESCALE = "save it with 8 bits a channel, in the brightness that the model shall see"


class Traits(NamedTuple):
    """Properties of an image file that its decoded pixels no longer show.

    Attributes:
        short_side: Shorter side of the upright picture in pixels.
        deep: Whether it holds more than 8 bits of grey.
        highest: Highest value of a deep image, 0 to 255 after scaling.
        transparent: Whether a part of it is transparent.
        several: Whether the file holds more pictures than the first.
    """

    short_side: int
    deep: bool = False
    highest: int = 0
    transparent: bool = False
    several: bool = False


def upright_rgb(image: Image.Image) -> tuple[Image.Image, Traits]:
    """Return the image as RGB, turned as its camera notes, and the traits of the file.

    Grey levels of more than 8 bits are scaled by the range of their type, floats by 0..1. Transparent parts are
    laid on white. Of several pictures in a file (pages, frames) the first is taken.

    Raises:
        UserError: The range of the values is unknown, or they leave it.
    """
    image.load()
    several = image.format in ("GIF", "TIFF", "WEBP", "PNG") and bool(getattr(image, "is_animated", False))
    turned = _turn_upright(image)
    short_side = min(turned.size)
    if image.mode.startswith(("I", "F")):
        values = _scale_grey(turned, image)
        highest = int(values.max(initial=0))
        return Image.fromarray(values).convert("RGB"), Traits(short_side, True, highest, False, several)
    rgb, transparent = _to_rgb(turned)
    return rgb, Traits(short_side, transparent=transparent, several=several)


def _turn_upright(image: Image.Image) -> Image.Image:
    if image.format == "TIFF":  # PIL has turned it already
        return image
    try:
        orientation = image.getexif().get(ORIENTATION)
    except Exception:  # a broken EXIF block does not make a picture worthless
        return image
    method = UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return image if method is None else image.transpose(method)


def _to_rgb(image: Image.Image) -> tuple[Image.Image, bool]:
    """RGB of an image of 8 bits or fewer, and whether a part of it was transparent."""
    palette = image.palette.mode if image.mode == "P" and image.palette else ""
    if image.mode in MODES_WITH_ALPHA or "transparency" in image.info or palette.endswith("A"):
        return _lay_on_white(image)
    if image.mode == "LAB":
        return _lab_to_rgb(image), False
    if image.mode not in PLAIN_MODES:
        raise UserError(f"images of the mode {image.mode} are not read", fix=RESCALE)
    return (image if image.mode == "RGB" else image.convert("RGB")), False


def _lay_on_white(image: Image.Image) -> tuple[Image.Image, bool]:
    straight = image.convert("LA") if image.mode == "La" else image  # PIL knows no direct way
    rgba = straight if straight.mode == "RGBA" else straight.convert("RGBA")
    lowest, _ = rgba.getchannel("A").getextrema()
    if lowest == 255:
        return rgba.convert("RGB"), False
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba).convert("RGB"), True


def _lab_to_rgb(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    try:
        found = ImageCms.applyTransform(image, _lab_transform())
    except (ImageCms.PyCMSError, ImportError) as error:  # PIL was built without LittleCMS
        raise UserError(f"images of the mode LAB cannot be converted here ({error})", fix=RESCALE) from error
    if found is None:
        raise UserError("images of the mode LAB cannot be converted here", fix=RESCALE)
    return found


@lru_cache(maxsize=1)
def _lab_transform() -> ImageCmsTransform:
    from PIL import ImageCms

    return ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")


def _scale_grey(turned: Image.Image, image: Image.Image) -> Pixels:
    """Grey levels of more than 8 bits as 0..255, by the range of their type.

    Args:
        turned: Image with the values.
        image: Image as it was opened, which knows the tags of its file.
    """
    tags: Any = getattr(image, "tag_v2", {})
    if turned.mode == "F":
        scaled = _scale_floats(np.asarray(turned))
    else:
        scaled = _scale_integers(np.asarray(turned), _full_range(image, tags))
    return 255 - scaled if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO else scaled


def _full_range(image: Image.Image, tags: Any) -> int:
    """The largest value that the type of the file can hold; 12 bits of a TIFF are 4095."""
    if image.format != "TIFF":
        return 65535
    bits, kind = tags.get(BITS_PER_SAMPLE, (16,))[0], tags.get(SAMPLE_FORMAT, (1,))[0]
    if bits > 16 or kind != 1:
        what = f"integers of {bits} bits{' with a sign' if kind == 2 else ''} have no range that stands for white"
        raise UserError(what, fix=RESCALE)
    return int(2**bits - 1)


def _scale_integers(values: NDArray[Any], full: int) -> Pixels:
    lowest, highest = int(values.min()), int(values.max())
    if lowest < 0 or highest > full:
        raise UserError(f"values from {lowest} to {highest} leave the range of 0 to {full}", fix=RESCALE)
    table = np.rint(np.arange(full + 1) * (255 / full)).astype(np.uint8)
    scaled: Pixels = table[values]
    return scaled


def _scale_floats(values: NDArray[Any]) -> Pixels:
    lowest, highest = float(values.min()), float(values.max())
    if not (lowest >= -TOLERANCE and highest <= 1 + TOLERANCE):  # not a number fails too
        what = f"floats from {lowest:g} to {highest:g}: only 0 to 1, from black to white, has one meaning"
        raise UserError(what, fix=RESCALE)
    scaled: Pixels = np.rint(values.clip(0, 1) * 255).astype(np.uint8)
    return scaled
