import numpy as np
import pytest
import torch

from clsim.data import DataSet, Images


def images(count: int = 4) -> Images:
    pixels = torch.arange(count * 12, dtype=torch.uint8).view(count, 3, 2, 2)
    paths = tuple(f"{i}.png" for i in range(count))
    return Images(pixels, torch.arange(count) % 2, ("cat", "dog"), "pets", paths)


def test_subset_keeps_order_names_and_class_ids():
    part = images().subset([3, 0])
    assert part.labels.tolist() == [1, 0]
    assert part.pixels[0, 0, 0, 0] == 36
    assert part.paths == ("3.png", "0.png")
    assert part.class_names == ("cat", "dog")


def test_sha256_depends_on_pixels_labels_names_and_shape_only():
    first = images()
    assert first.sha256 == images().sha256
    pixels, labels = first.pixels, first.labels
    assert Images(pixels, labels, first.class_names, "other name").sha256 == first.sha256
    assert Images(pixels + 1, labels, first.class_names, "pets").sha256 != first.sha256
    assert Images(pixels, 1 - labels, first.class_names, "pets").sha256 != first.sha256
    assert Images(pixels, labels, ("cat", "hound"), "pets").sha256 != first.sha256
    assert Images(pixels.view(4, 3, 4, 1), labels, first.class_names, "pets").sha256 != first.sha256


def test_memory_mapped_pixels_hash_and_index_alike(tmp_path):
    first = images()
    np.save(tmp_path / "pixels.npy", first.pixels.numpy())
    mapped = torch.from_numpy(np.load(tmp_path / "pixels.npy", mmap_mode="c"))
    second = Images(mapped, first.labels, first.class_names, "pets")
    assert second.sha256 == first.sha256
    assert torch.equal(second.subset([2]).pixels, first.subset([2]).pixels)


def test_sha256_of_a_view_that_is_not_contiguous():
    turned = images().pixels.transpose(2, 3)
    labels = torch.zeros(4, dtype=torch.int64)
    assert Images(turned, labels, ("a",), "x").sha256 == Images(turned.contiguous(), labels, ("a",), "x").sha256


def test_to_the_same_device_copies_nothing():
    first = images()
    assert first.to("cpu") is first


@pytest.mark.parametrize(
    ("pixels", "labels"),
    [
        (torch.zeros(2, 3, 4, 4), torch.zeros(2, dtype=torch.int64)),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64)),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64)),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(2)),
    ],
)
def test_wrong_shapes_and_types_are_refused(pixels, labels):
    with pytest.raises(ValueError, match="must be"):
        Images(pixels, labels, ("a",), "x")


def test_training_and_test_images_share_their_classes():
    first = images()
    other = Images(first.pixels, first.labels, ("cat", "hound"), "pets")
    with pytest.raises(ValueError, match="same classes"):
        DataSet("pets", first, other)
