import time

import numpy as np
import pytest
from helpers.errors import refused
from PIL import Image
from torchvision import transforms

from clsim.data.io import decode as decoding
from clsim.data.io.decode import Encoded, decode
from clsim.utils.errors import UserErrors


def files(*paths):
    return [Encoded(i, str(path), str(path)) for i, path in enumerate(paths)]


def test_images_keep_their_positions_in_any_order(tmp_path, save):
    paths = [save(tmp_path / f"{i}.png", i) for i in range(200)]
    pixels = decode(reversed(files(*paths)), 200, None).pixels
    assert pixels.shape == (200, 3, 8, 8) and pixels.dtype == np.uint8
    assert pixels[:, 0, 0, 0].tolist() == list(range(200))


def test_channels_are_red_green_blue(tmp_path):
    rgb = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    Image.fromarray(rgb).save(tmp_path / "a.png")
    assert np.array_equal(decode(files(tmp_path / "a.png"), 1, None).pixels[0], rgb.transpose(2, 0, 1))


@pytest.mark.parametrize("size", [(60, 20), (20, 60)])
def test_the_short_side_is_resized_and_the_centre_cut(tmp_path, size):
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    resized = Image.fromarray(noise).resize((size[0] // 2, size[1] // 2), Image.Resampling.BICUBIC)
    left, top = (resized.width - 10) // 2, (resized.height - 10) // 2
    expected = np.asarray(resized.crop((left, top, left + 10, top + 10))).transpose(2, 0, 1)
    found = decode(files(tmp_path / "a.png"), 1, 10).pixels[0]
    assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("size", [(50, 33), (33, 50), (37, 50), (64, 48), (9, 40), (33, 32)])
@pytest.mark.parametrize("side", [10, 11, 48])
def test_resize_and_crop_are_those_of_the_published_clip_to_the_last_bit(tmp_path, size, side):
    noise = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    published = transforms.Compose(
        [transforms.Resize(side, interpolation=transforms.InterpolationMode.BICUBIC), transforms.CenterCrop(side)]
    )
    expected = np.asarray(published(Image.fromarray(noise))).transpose(2, 0, 1)
    assert np.array_equal(decode(files(tmp_path / "a.png"), 1, side).pixels[0], expected)


def test_a_strip_of_an_image_fills_no_memory(tmp_path):
    Image.new("RGB", (90_000, 2), (9, 8, 7)).save(tmp_path / "a.png")  # 2 pixels to 224 would make it 10 million wide
    pixels = decode(files(tmp_path / "a.png"), 1, 224).pixels[0]
    assert (pixels == np.array([9, 8, 7]).reshape(3, 1, 1)).all()


def test_grey_palette_transparent_and_cmyk_images_become_rgb(tmp_path):
    for mode in ("L", "P", "RGBA", "CMYK"):
        Image.new("RGB", (8, 8), (255, 255, 255)).convert(mode).save(tmp_path / f"{mode}.tiff")
    pixels = decode(files(*sorted(tmp_path.glob("*.tiff"))), 4, None).pixels
    assert (pixels == 255).all()


def test_content_in_memory_is_decoded_like_a_file(tmp_path, save):
    path = save(tmp_path / "a.png", 77)
    assert (decode([Encoded(0, "a", path.read_bytes())], 1, None).pixels == 77).all()


def test_a_broken_image_is_named(tmp_path, save):
    good, short, text = save(tmp_path / "good.png", 1), tmp_path / "short.jpg", tmp_path / "text.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(short)
    short.write_bytes(short.read_bytes()[:700])
    with refused(where=str(short)):
        decode(files(good, short), 2, 8)
    text.write_text("no image")
    with pytest.raises(UserErrors) as raised:
        decode(files(good, text, short), 3, 8)
    assert {error.where for error in raised.value.errors} == {str(text), str(short)}
    with refused(where=str(text)):
        decode(files(text, good), 2, None)


def test_without_a_size_all_images_must_be_squares_of_one_size(tmp_path, save):
    first, other = save(tmp_path / "a.png"), save(tmp_path / "b.png", size=(9, 9))
    wide = save(tmp_path / "c.png", size=(9, 8))
    with refused(where=str(other), names=("9 x 9", "image_size")):
        decode(files(first, other), 2, None)
    with refused(where=str(wide), names=("9 x 8",)):
        decode(files(wide), 1, None)


def test_no_more_of_an_archive_is_held_than_there_is_room_for(save, tmp_path, monkeypatch):
    content = save(tmp_path / "a.png", 7).read_bytes()
    monkeypatch.setattr(decoding, "MAX_CHUNK_BYTES", 4 * len(content))
    monkeypatch.setattr(decoding, "MAX_QUEUED_BYTES", 10 * len(content))
    begun, done = [], []
    whole = decoding._decode_into

    def slowly(decoded, file, side, exact):
        time.sleep(0.002)
        done.append(file.position)
        return whole(decoded, file, side, exact)

    def read():
        for i in range(60):
            begun.append(i)
            assert len(begun) - len(done) <= 10 + 4 + 1
            yield Encoded(i, str(i), content)

    monkeypatch.setattr(decoding, "_decode_into", slowly)
    assert (decode(read(), 60, None).pixels == 7).all()
    assert sorted(done) == list(range(60))
