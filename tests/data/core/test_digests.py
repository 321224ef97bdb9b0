import hashlib

import pytest
import torch
from helpers.tiny import tiny_captions, tiny_images

from clsim.data.core.digests import LENGTH, image_digests


def test_a_digest_is_the_hash_of_shape_and_bytes():
    images = tiny_images(2)
    expected = [hashlib.sha256(b"(3, 8, 8)" + image.numpy().tobytes()).digest()[:LENGTH] for image in images.pixels]
    assert image_digests(images.pixels) == images.digests == tuple(expected)
    assert len(set(images.digests)) == len(images)


def test_order_and_place_in_memory_do_not_matter():
    images = tiny_images(2)
    chosen = torch.tensor([7, 3, 3])
    assert images.subset(chosen).digests == tuple(images.digests[index] for index in chosen)
    turned = images.pixels.contiguous(memory_format=torch.channels_last)
    assert image_digests(turned) == images.digests
    assert image_digests(images.pixels[:0]) == ()


def test_one_bit_and_the_shape_count():
    pixels = torch.zeros(1, 3, 2, 8, dtype=torch.uint8)
    other = pixels.clone()
    other[0, 2, 1, 7] = 1
    assert len({*image_digests(pixels), *image_digests(other), *image_digests(pixels.view(1, 3, 4, 4))}) == 3


@pytest.mark.parametrize("part", ["train", "test"])
def test_captioned_images_have_them_too(part):
    images = getattr(tiny_captions(), part)
    assert images.digests == image_digests(images.pixels)
