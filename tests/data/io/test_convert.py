"""Expected values come from plain arithmetic, never from PIL's conversions."""

import struct

import numpy as np
import pytest
from helpers.errors import refused
from PIL import Image, ImageDraw

from clsim.data.io.convert import upright_rgb
from clsim.data.io.decode import Encoded, decode

RAMP = np.linspace(0, 65535, 256).reshape(16, 16).astype(np.uint16)
SCALED = [[round(int(value) * 255 / 65535) for value in row] for row in RAMP]


def decoded(path, size=None):
    return decode([Encoded(0, str(path), str(path))], 1, size).pixels[0]


def deep_tiff(path, bits, values, photometric=1):
    """Write a gray TIFF of one row, with 12 or 16 bits per sample."""
    packed = int("".join(f"{value:012b}" for value in values), 2).to_bytes(len(values) * 12 // 8, "big")
    data = packed if bits == 12 else np.array(values, "<u2").tobytes()
    tags = [(256, len(values)), (257, 1), (258, bits), (259, 1), (262, photometric), (273, 8), (277, 1), (278, 1)]
    tags.append((279, len(data)))
    head = b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(tags))
    path.write_bytes(head + b"".join(struct.pack("<HHII", key, 4, 1, value) for key, value in tags) + bytes(4))
    return path


@pytest.mark.parametrize("kind", ["png", "tif", "big.tif", "pgm", "float.tif", "float.pfm"])
def test_deep_grey_levels_are_scaled_by_the_range_of_their_type(kind, tmp_path):
    path = tmp_path / f"a.{kind}"
    if kind == "pgm":
        path.write_bytes(b"P5\n16 16\n65535\n" + RAMP.astype(">u2").tobytes())
    elif kind == "float.tif":
        Image.fromarray((RAMP / 65535).astype(np.float32)).save(path)
    elif kind == "float.pfm":
        rows = (RAMP[::-1] / 65535).astype("<f4")  # from the bottom up
        path.write_bytes(b"Pf\n16 16\n-1.0\n" + rows.tobytes())
    elif kind == "big.tif":
        Image.frombytes("I;16B", (16, 16), RAMP.astype(">u2").tobytes()).save(path)
    else:
        Image.fromarray(RAMP).save(path)
    assert decoded(path).tolist() == [SCALED] * 3


def test_a_pgm_of_ten_bits_and_a_tiff_of_twelve_reach_white(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P2\n2 2\n1023\n1023 0 512 1\n")
    assert decoded(tmp_path / "a.pgm")[0].tolist() == [[255, 0], [128, 0]]
    with Image.open(deep_tiff(tmp_path / "a.tif", 12, [0, 4095, 2048, 8])) as image:
        assert np.asarray(upright_rgb(image)[0])[0, :, 0].tolist() == [0, 255, 128, 0]


def test_a_deep_tiff_in_which_zero_is_white_is_not_a_negative(tmp_path):
    with Image.open(deep_tiff(tmp_path / "a.tif", 16, [0, 65535, 257, 32768], photometric=0)) as image:
        assert np.asarray(upright_rgb(image)[0])[0, :, 0].tolist() == [255, 0, 254, 127]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (np.array([[0, 300], [70_000, 1]], np.int32), "32-bit signed"),
        (np.array([[0, 300], [200, 1]], np.int16), "signed"),
        (np.array([[0, 255], [17, 1]], np.float32), "0 to 255"),
        (np.array([[0, -1], [1, 1]], np.float32), "-1 to 1"),
        (np.array([[0, np.nan], [1, 1]], np.float32), "nan"),
        (np.array([[0, np.inf], [1, 1]], np.float32), "0 to inf"),
    ],
)
def test_values_without_a_known_range_are_refused_by_name(values, found, tmp_path):
    Image.fromarray(values).save(tmp_path / "a.tif")
    with refused(where=str(tmp_path / "a.tif"), names=(found, "8 bits")):
        decoded(tmp_path / "a.tif")


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV"])
def test_a_red_or_grey_picture_stays_so_in_every_mode(mode):
    color = (255, 0, 0) if mode not in ("1", "L", "LA") else (255, 255, 255)
    image = Image.new("RGB", (4, 4), color)
    image = image.convert("P").convert("PA") if mode == "PA" else image.convert(mode)
    found, traits = upright_rgb(image)
    assert np.abs(np.asarray(found, int) - color).max() <= 1
    assert traits == (4, False, 0, False, False)


def test_lab_of_a_tiff_becomes_the_grey_of_its_lightness(tmp_path):
    Image.new("LAB", (4, 4), (128, 128, 128)).save(tmp_path / "a.tif")  # L* = 100 * 128 / 255 = 50.2, a* = b* = 0
    luminance = ((50.196 + 16) / 116) ** 3
    expected = 255 * (1.055 * luminance ** (1 / 2.4) - 0.055)
    assert np.abs(decoded(tmp_path / "a.tif").astype(float) - expected).max() <= 2


def test_transparent_parts_are_laid_on_white_in_every_mode(tmp_path):
    drawing = Image.new("RGBA", (8, 8), (0, 0, 0, 0))  # black, of which nothing shows
    ImageDraw.Draw(drawing).rectangle((0, 0, 3, 7), (0, 0, 0, 255))
    half = Image.new("RGBA", (8, 8), (0, 0, 0, 128))
    drawing.save(tmp_path / "rgba.png")
    drawing.convert("LA").save(tmp_path / "la.png")
    drawing.convert("P").save(tmp_path / "p.png", transparency=drawing.convert("P").getpixel((7, 7)))
    drawing.save(tmp_path / "a.gif")
    drawing.save(tmp_path / "a.webp", lossless=True)
    Image.new("L", (8, 8), 7).save(tmp_path / "l.png", transparency=7)
    half.save(tmp_path / "half.png")
    for name in ("rgba.png", "la.png", "a.gif", "a.webp"):
        assert decoded(tmp_path / name)[0, 0].tolist() == [0, 0, 0, 0, 255, 255, 255, 255], name
    assert (decoded(tmp_path / "l.png") == 255).all()
    assert np.abs(decoded(tmp_path / "half.png").astype(int) - 127).max() <= 1
    with Image.open(tmp_path / "p.png") as image:
        assert upright_rgb(image)[1].transparent


def test_premultiplied_modes_are_read(tmp_path):
    for mode in ("La", "RGBa"):
        image = Image.new("RGBA", (4, 4), (200, 200, 200, 255)).convert("LA" if mode == "La" else "RGBA").convert(mode)
        found, traits = upright_rgb(image)
        assert (np.asarray(found) == 200).all() and not traits.transparent


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
def test_pictures_stand_as_the_camera_was_held(orientation, suffix, tmp_path):
    upright = np.zeros((16, 16), np.uint8)
    upright[:8] = 80
    upright[:, :8] += 120  # a grey of its own in each quarter
    # What a camera stores so that the turn it notes brings the picture back upright (EXIF 2.3, tag 0x0112).
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / f"a.{suffix}", exif=exif)
    found = decoded(tmp_path / f"a.{suffix}")[0].astype(int)
    assert np.abs(found[4::8, 4::8] - upright[4::8, 4::8]).max() <= 3


def test_a_picture_on_its_side_is_measured_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.new("L", (20, 10))
    picture.paste(255, (0, 0, 10, 10))  # the left half of what is stored is the top of what was seen
    picture.save(tmp_path / "a.png", exif=exif)
    pixels = decoded(tmp_path / "a.png", 10)
    assert (pixels[0, :3] > 250).all() and (pixels[0, -3:] < 5).all()


def test_a_broken_exif_block_costs_no_picture(tmp_path):
    Image.new("RGB", (8, 8), (9, 9, 9)).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    assert np.abs(decoded(tmp_path / "a.jpg").astype(int) - 9).max() <= 2


def test_traits_tell_of_deep_dark_and_several_pictures(tmp_path):
    first, second = Image.new("L", (8, 8), 10), Image.new("L", (8, 8), 200)
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    Image.fromarray(np.full((8, 8), 4095, np.uint16)).save(tmp_path / "dark.png")
    with Image.open(tmp_path / "a.gif") as image:
        rgb, traits = upright_rgb(image)
        assert traits.multiple and np.asarray(rgb).max() == 10
    with Image.open(tmp_path / "dark.png") as image:
        assert upright_rgb(image)[1] == (8, True, 16, False, False)
