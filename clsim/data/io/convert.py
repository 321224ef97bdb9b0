"""Conversion of an opened image file of any mode to upright RGB with 8 bits per channel."""

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
"""EXIF tag of the camera's orientation."""
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
"""TIFF tags."""
WHITE_IS_ZERO = 0
MODES_WITH_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
PLAIN_MODES = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV")
TOLERANCE = 1e-3
"""Tolerance of the range 0..1 of a float image, for overshoot from resampling."""
RESCALE = "save it with 8 bits per channel, at the brightness the model should see"


class Traits(NamedTuple):
    """Properties of an image file that its decoded pixels no longer show.

    Attributes:
        short_side: Shorter side of the upright image in pixels.
        deep: Whether it has more than 8 bits of gray.
        highest: Highest value of a deep image, 0 to 255 after scaling.
        transparent: Whether any pixel is transparent.
        multiple: Whether the file holds more than one picture.
    """

    short_side: int
    deep: bool = False
    highest: int = 0
    transparent: bool = False
    multiple: bool = False


def upright_rgb(image: Image.Image) -> tuple[Image.Image, Traits]:
    """Convert an image to RGB, rotated by its EXIF orientation.

    Gray levels of more than 8 bits are scaled by the range of their type, floats from 0..1. Transparent pixels are
    composited on white. Of several pages or frames, the first is used.

    Returns:
        The RGB image and the traits of its file.

    Raises:
        UserError: The range of the values is unknown, or a value is outside of it.
    """
    image.load()
    multiple = image.format in ("GIF", "TIFF", "WEBP", "PNG") and bool(getattr(image, "is_animated", False))
    turned = _turn_upright(image)
    short_side = min(turned.size)
    if image.mode.startswith(("I", "F")):
        values = _scale_gray(turned, image)
        highest = int(values.max(initial=0))
        return Image.fromarray(values).convert("RGB"), Traits(short_side, True, highest, False, multiple)
    rgb, transparent = _to_rgb(turned)
    return rgb, Traits(short_side, transparent=transparent, multiple=multiple)


def _turn_upright(image: Image.Image) -> Image.Image:
    if image.format == "TIFF":  # PIL has rotated it already
        return image
    try:
        orientation = image.getexif().get(ORIENTATION)
    except Exception:  # the picture is usable without its EXIF block
        return image
    method = UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return image if method is None else image.transpose(method)


def _to_rgb(image: Image.Image) -> tuple[Image.Image, bool]:
    """Convert an image of at most 8 bits to RGB; also return whether any pixel was transparent."""
    palette = image.palette.mode if image.mode == "P" and image.palette else ""
    if image.mode in MODES_WITH_ALPHA or "transparency" in image.info or palette.endswith("A"):
        return _composite_on_white(image)
    if image.mode == "LAB":
        return _lab_to_rgb(image), False
    if image.mode not in PLAIN_MODES:
        raise UserError(f"images of mode {image.mode} are not supported", fix=RESCALE)
    return (image if image.mode == "RGB" else image.convert("RGB")), False


def _composite_on_white(image: Image.Image) -> tuple[Image.Image, bool]:
    straight = image.convert("LA") if image.mode == "La" else image  # PIL cannot convert La to RGBA
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
        raise UserError(f"images of mode LAB cannot be converted ({error})", fix=RESCALE) from error
    if found is None:
        raise UserError("images of mode LAB cannot be converted", fix=RESCALE)
    return found


@lru_cache(maxsize=1)
def _lab_transform() -> ImageCmsTransform:
    from PIL import ImageCms

    return ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")


def _scale_gray(turned: Image.Image, image: Image.Image) -> Pixels:
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
    """Return the largest value of the file's type, for instance 4095 for a TIFF of 12 bits."""
    if image.format != "TIFF":
        return 65535
    bits, kind = tags.get(BITS_PER_SAMPLE, (16,))[0], tags.get(SAMPLE_FORMAT, (1,))[0]
    if bits > 16 or kind != 1:
        what = f"{bits}-bit {'signed ' if kind == 2 else ''}integers have no defined value for white"
        raise UserError(what, fix=RESCALE)
    return int(2**bits - 1)


def _scale_integers(values: NDArray[Any], full: int) -> Pixels:
    lowest, highest = int(values.min()), int(values.max())
    if lowest < 0 or highest > full:
        raise UserError(f"values from {lowest} to {highest} are outside of 0 to {full}", fix=RESCALE)
    table = np.rint(np.arange(full + 1) * (255 / full)).astype(np.uint8)
    scaled: Pixels = table[values]
    return scaled


def _scale_floats(values: NDArray[Any]) -> Pixels:
    lowest, highest = float(values.min()), float(values.max())
    if not (lowest >= -TOLERANCE and highest <= 1 + TOLERANCE):  # NaN fails too
        what = f"float values from {lowest:g} to {highest:g} are outside of 0 (black) to 1 (white)"
        raise UserError(what, fix=RESCALE)
    scaled: Pixels = np.rint(values.clip(0, 1) * 255).astype(np.uint8)
    return scaled
