import numpy as np
import pytest
import torch
from helpers.errors import refused

from clsim.data import DataSet, Images, load_captions, load_dataset
from clsim.utils.errors import ArgumentError


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
    with refused(ArgumentError, where="Images", names=("must be",)):
        Images(pixels, labels, ("a",), "x")


def test_training_and_test_images_share_their_classes():
    first = images()
    other = Images(first.pixels, first.labels, ("cat", "hound"), "pets")
    with refused(ArgumentError, where="pets", names=("classes",)):
        DataSet("pets", first, other)


PIXELS = np.zeros((3, 3, 2, 2), np.uint8)


@pytest.mark.parametrize(
    "labels",
    [
        [1, 0, 1],
        (1, 0, 1),
        [np.int64(1), np.uint8(0), torch.tensor(1)],
        *(np.array([1, 0, 1], kind) for kind in (np.int8, np.uint8, np.int32, np.uint32, np.uint64)),
        *(torch.tensor([1, 0, 1], dtype=kind) for kind in (torch.uint8, torch.int16, torch.int32)),
    ],
)
def test_integers_of_python_numpy_and_torch_are_accepted(labels):
    found = Images(PIXELS, labels, ["cat", np.str_("dog")], "pets")
    assert found.labels.dtype == torch.int64 and found.labels.tolist() == [1, 0, 1]
    assert found.pixels.dtype == torch.uint8 and found.class_names == ("cat", "dog")
    assert found.subset(np.array([2, 1])).labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([0, 1, 2], "the label of image 2 is 2, not 0 to 1"),
        ([0, -1, 1], "the label of image 1 is -1"),
        ([0, 1, 0.5], "not float64"),
        ([0.0, 1.0, 0.0], "not float64"),
        ([True, False, True], "not bool"),
        ([0, 1], "int64 [3], not [2]"),
        ([[1, 0], [0, 1], [1, 0]], "not [3, 2]"),
        (["cat", "dog", "cat"], "not a list of 3"),
        ([0, None, 1], "not a list of 3"),
        (None, "not nothing"),
        (5, "not 5"),
    ],
)
def test_invalid_labels_are_refused(labels, names):
    with refused(ArgumentError, names=(names,)):
        Images(PIXELS, labels, ("cat", "dog"), "pets")


@pytest.mark.parametrize(
    ("pixels", "names"),
    [
        (PIXELS.astype(np.float32), "not float32 [3, 3, 2, 2]"),
        (PIXELS.astype(np.uint16), "not uint16"),
        (PIXELS.transpose(0, 2, 3, 1), "not uint8 [3, 2, 2, 3]"),
        (PIXELS[0], "not uint8 [3, 2, 2]"),
        (PIXELS[:, :1], "not uint8 [3, 1, 2, 2]"),
        (PIXELS[..., :0], "not uint8 [3, 3, 2, 0]"),
        ("a.png", "not the string 'a.png'"),
        (None, "not nothing"),
    ],
)
def test_invalid_pixels_are_refused(pixels, names):
    with refused(ArgumentError, names=(names,)):
        Images(pixels, [0, 0, 0], ("cat",), "pets")


def test_names_are_strings():
    for names in ("cat", ["cat", 3], None, 5):
        with refused(ArgumentError, where="Images.class_names", names=("expected",)):
            Images(PIXELS, [0, 0, 0], names, "pets")
    for name in ("", None, 7):
        with refused(ArgumentError, where="Images.name", names=("expected",)):
            Images(PIXELS, [0, 0, 0], ("cat",), name)


@pytest.mark.parametrize(
    ("indices", "names"),
    [
        (torch.tensor([True, False, True, False]), "mask"),
        ([0.0, 1.0], "float64"),
        ([4], "index 4"),
        ([-1], "index -1"),
        ("01", "'01'"),
        (2, "not 2"),
    ],
)
def test_invalid_indices_are_refused(indices, names):
    with refused(ArgumentError, names=(names,)):
        images().subset(indices)


def test_a_subset_may_be_empty():
    assert len(images().subset([])) == 0


def test_a_subset_has_a_hash_of_its_own():
    whole = images()
    before = whole.sha256
    assert whole.subset([0, 1]).sha256 != before
    assert whole.subset([0, 1, 2, 3]).sha256 == before


def test_both_parts_are_images_of_one_size():
    small = images()
    large = Images(torch.zeros(1, 3, 4, 4, dtype=torch.uint8), [0], small.class_names, "pets")
    with refused(ArgumentError, where="pets", names=("[2, 2]", "[4, 4]")):
        DataSet("pets", small, large)
    assert len(DataSet("pets", small, large.subset([])).test) == 0
    with refused(ArgumentError, where="pets", names=("test", "Images", "nothing")):
        DataSet("pets", small, None)


@pytest.mark.parametrize(
    ("name", "options", "names"),
    [
        (None, {}, "name"),
        (3, {}, "got 3"),
        ("shapes", {"image_size": 7}, "8 to 1024 pixels, got 7"),
        ("shapes", {"image_size": 2000}, "8 to 1024"),
        ("shapes", {"image_size": 32.0}, "got 32.0"),
        ("shapes", {"image_size": "32"}, "image_size"),
        ("shapes", {"image_size": True}, "got true"),
        ("shapes", {"root": 5}, "root"),
    ],
)
def test_load_takes_what_a_scenario_may_say(name, options, names):
    for loader in (load_dataset, load_captions):
        with refused(ArgumentError, names=(names,)):
            loader(name, **options)


def test_load_takes_numbers_of_numpy_and_a_home(tmp_path, monkeypatch, save):
    monkeypatch.setenv("HOME", str(tmp_path))
    for word in ("cat", "dog"):
        for i in range(2):
            save(tmp_path / "pets" / word / f"{i}.png")
    data = load_dataset("folder:~/pets", image_size=np.int64(16), root="~/root")
    assert data.train.pixels.shape == (2, 3, 16, 16)
    assert (tmp_path / "root" / ".cache").is_dir()


def test_parts_of_two_sizes_in_a_folder_are_the_users_error(tmp_path, save):
    for part, side in (("train", 8), ("test", 16)):
        for word in ("cat", "dog"):
            save(tmp_path / "pets" / part / word / "0.png", 0, (side, side))
    with refused(ArgumentError, where="folder:", names=("[8, 8]", "[16, 16]", "image_size")):
        load_dataset(f"folder:{tmp_path / 'pets'}", root=tmp_path)


def test_the_text_of_a_data_set_has_names_and_sizes_only():
    images = Images(torch.zeros(3, 3, 8, 9, dtype=torch.uint8), [0, 1, 1], ("cat", "dog"), "pets")
    text = repr(DataSet("pets", images, images))
    assert text.count("Images('pets', 3 images of 8 x 9, 2 classes)") == 2 and len(text) < 200
