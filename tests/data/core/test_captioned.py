import subprocess
import sys

import numpy as np
import pytest
import torch
from helpers.errors import refused

from clsim.data.core.captioned import CaptionedImages
from clsim.utils.errors import ArgumentError

CAPTIONS = (("a cat", "a grey cat"), ("a dog",), ("a fish", "two fish", "water"))


def images():
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (3, 3, 4, 4), dtype=torch.uint8, generator=generator)
    return CaptionedImages(pixels, CAPTIONS, "pets")


def test_every_text_knows_its_image():
    found = images()
    assert len(found) == 3
    assert found.texts == ("a cat", "a grey cat", "a dog", "a fish", "two fish", "water")
    assert found.items.tolist() == [0, 0, 1, 2, 2, 2] and found.items.dtype == torch.int64


def test_subset_keeps_the_captions_with_their_images():
    found = images()
    for indices in ([2, 0], torch.tensor([2, 0])):
        part = found.subset(indices)
        assert torch.equal(part.pixels, found.pixels[[2, 0]])
        assert part.captions == (CAPTIONS[2], CAPTIONS[0])
        assert part.items.tolist() == [0, 0, 0, 1, 1]
    assert len(found.subset([])) == 0


def test_sha256_follows_from_pixels_and_captions_only(tmp_path):
    found = images()
    np.save(tmp_path / "pixels.npy", found.pixels.numpy())
    mapped = torch.from_numpy(np.load(tmp_path / "pixels.npy", mmap_mode="c"))
    assert CaptionedImages(mapped, CAPTIONS, "another name").sha256 == found.sha256
    moved = (("a cat",), ("a grey cat", "a dog"), CAPTIONS[2])
    assert CaptionedImages(found.pixels, moved, "pets").sha256 != found.sha256
    altered = found.pixels.clone()
    altered[0, 0, 0, 0] += 1
    assert CaptionedImages(altered, CAPTIONS, "pets").sha256 != found.sha256
    zeros = CaptionedImages(torch.zeros(1, 3, 2, 2, dtype=torch.uint8), (("é",),), "x")
    assert zeros.sha256 == "be5682481f2a0f026d080124f9e78b2a70e245a5ea3e947ec1b4b7a48a2728f1"


def test_sha256_does_not_depend_on_memory_layout():
    found = images()
    turned = found.pixels.transpose(2, 3)
    one, other = (CaptionedImages(pixels, CAPTIONS, "x").sha256 for pixels in (turned, turned.contiguous()))
    assert one == other


def test_to_the_same_device_copies_nothing():
    found = images()
    assert found.to("cpu") is found
    assert found.to("meta").items.device.type == "meta"


@pytest.mark.parametrize(
    ("pixels", "captions", "says"),
    [
        (torch.zeros(1, 3, 4, 4), (("a",),), "must be uint8"),
        (torch.zeros(1, 1, 4, 4, dtype=torch.uint8), (("a",),), "must be uint8"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), (("a",),), "1 lists of captions for 2 images"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), (("a",), ()), "image 1 has no caption"),
    ],
)
def test_what_does_not_fit_together_is_refused(pixels, captions, says):
    with refused(ArgumentError, names=(says,)):
        CaptionedImages(pixels, captions, "x")


def test_the_classes_are_had_from_the_package_when_asked_for():
    code = (
        "import sys; from clsim.data import CAPTION_NAMES, load_captions; assert 'torch' not in sys.modules;"
        "from clsim.data import CaptionDataSet, CaptionedImages; assert 'torch' in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("captions", "names"),
    [
        (["a cat", "a dog"], ("captions.0", "'a cat'")),
        ([[1], ["a dog"]], ("captions.0.0", "got 1")),
        ([[" "], ["a"]], ("image 0", "caption")),
    ],
)
def test_captions_are_lists_of_strings(captions, names):
    with refused(ArgumentError, names=names):
        CaptionedImages(torch.zeros(2, 3, 2, 2, dtype=torch.uint8), captions, "pets")


def test_lists_and_arrays_are_welcome():
    found = CaptionedImages(np.zeros((1, 3, 2, 2), np.uint8), [["a cat"]], "pets")
    assert found.captions == (("a cat",),) and found.pixels.dtype == torch.uint8


def test_the_text_has_names_and_sizes_only():
    images = CaptionedImages(torch.zeros(2, 3, 8, 9, dtype=torch.uint8), (("a cat",), ("a dog", "a pet")), "pets")
    assert repr(images) == "CaptionedImages('pets', 2 images of 8 x 9, 3 captions)"
