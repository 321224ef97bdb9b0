import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from clsim.data import DataSet, Images, load_dataset
from clsim.data.core.file_warnings import file_warnings, warn, warn_if_upscaled
from clsim.utils.errors import DataWarning


def pets(tmp_path, picture):
    for word in ("cat", "dog"):
        for i in range(5):
            (tmp_path / "pets" / word).mkdir(parents=True, exist_ok=True)
            picture.save(tmp_path / "pets" / word / f"{i}.png")
    return f"folder:{tmp_path / 'pets'}"


def warnings_of(name, tmp_path, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load_dataset(name, root=tmp_path, **options)
    return [str(warning.message) for warning in caught]


def test_twelve_bits_in_sixteen_warn_on_every_load(tmp_path):
    name = pets(tmp_path, Image.fromarray(np.full((8, 8), 4095, np.uint16)))
    for _ in range(2):  # the second comes from the cache
        [text] = warnings_of(name, tmp_path)
        assert "10 of 10 files" in text and "none is brighter than 16 of 255" in text


def test_one_bright_deep_picture_shows_that_the_range_is_used(tmp_path):
    name = pets(tmp_path, Image.fromarray(np.full((8, 8), 100, np.uint16)))
    Image.fromarray(np.full((8, 8), 60_000, np.uint16)).save(tmp_path / "pets" / "cat" / "0.png")
    assert warnings_of(name, tmp_path) == []


def test_transparent_images_warn_with_an_example(tmp_path):
    [text] = warnings_of(pets(tmp_path, Image.new("RGBA", (8, 8), (0, 0, 0, 0))), tmp_path)
    assert "10 of 10 files (first: cat/" in text and "white" in text


def test_small_originals_are_one_note_and_ordinary_ones_none(tmp_path):
    name = pets(tmp_path, Image.new("RGB", (8, 8)))
    [text] = warnings_of(name, tmp_path, image_size=32)
    assert "32 pixels" in text and "4.0 times" in text
    assert warnings_of(name, tmp_path, image_size=12) == []  # 1.5 times
    assert warnings_of(name, tmp_path) == []


def images(stored, files):
    traits = None if files is None else np.array([[files, 0, 0, 0, 0]] * 2, np.int32)
    pixels = torch.zeros(2, 3, stored, stored, dtype=torch.uint8)
    return Images(pixels, torch.tensor([0, 1]), ("cat", "dog"), "pets", None, traits)


@pytest.mark.parametrize(("stored", "files"), [(84, 375), (32, 64), (84, 224)])
def test_images_stored_smaller_than_their_files_warn(stored, files):
    with pytest.warns(DataWarning, match=rf"{stored} pixels .* 224 .* {files} pixels: .*image_size to 224"):
        warn_if_upscaled(images(stored, files), 224)


@pytest.mark.parametrize(("stored", "files"), [(32, None), (32, 32), (84, 84), (224, 375), (150, 500)])
def test_small_originals_and_large_enough_images_do_not_warn(stored, files):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_upscaled(images(stored, files), 224)


def test_a_subset_keeps_the_traits_of_its_files():
    both = images(8, 375)
    both.traits[1, 0] = 99
    assert both.subset([1]).file_side == 99
    assert [*file_warnings(DataSet("pets", both.subset([]), both))] == []


def test_only_the_main_process_warns(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn("anything")
