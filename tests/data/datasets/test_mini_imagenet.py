import hashlib

import numpy as np
import pytest
from helpers.errors import refused
from PIL import Image
from torchvision import transforms

from clsim.config import load_scenario
from clsim.data import load_dataset
from clsim.data.datasets.split_hashes import SHA256
from clsim.data.datasets.splits import standard_sessions
from clsim.utils.errors import DataMissing

WNIDS = ("n01532829", "n02074367")
NAMES = ("house finch", "dugong")


def image(wnid, number):
    return f"{wnid}{number:08d}.png"


@pytest.fixture
def lists(tmp_path, monkeypatch):
    """Pinned lists of two training images and one test image per class, and of a session."""
    lines = {
        "train.txt": [f"MINI-ImageNet/train/{wnid}/{image(wnid, i)}" for wnid in WNIDS for i in (5, 3)],
        "test.txt": [f"MINI-ImageNet/test/{wnid}/{image(wnid, 9)}" for wnid in WNIDS],
        "session_1.txt": [f"MINI-ImageNet/train/{WNIDS[1]}/{image(WNIDS[1], 3)}"],
    }
    folder = tmp_path / "fscil_splits" / "mini_imagenet"
    folder.mkdir(parents=True)
    hashes = {}
    for name, content in lines.items():
        text = "".join(f"{line}\n" for line in content).encode()
        (folder / name).write_bytes(text)
        hashes[name] = hashlib.sha256(text).hexdigest()
    monkeypatch.setitem(SHA256, "mini_imagenet", hashes)
    return folder


def save_all(save, place):
    for k, wnid in enumerate(WNIDS):
        for i in (3, 5, 9):
            save(place(wnid, i), 100 * k + i, (84, 84))


@pytest.mark.parametrize("folder", ["mini_imagenet/images", "MINI-ImageNet"])
def test_the_lists_decide_wherever_the_images_lie(folder, tmp_path, lists, save):
    if folder.endswith("images"):
        save_all(save, lambda wnid, i: tmp_path / folder / image(wnid, i))
    else:
        save_all(save, lambda wnid, i: tmp_path / folder / "all" / wnid / image(wnid, i))
    data = load_dataset("mini_imagenet", root=tmp_path)
    assert data.class_names == NAMES
    assert data.train.pixels.shape == (4, 3, 84, 84)
    assert data.train.pixels[:, 0, 0, 0].tolist() == [5, 3, 105, 103]
    assert data.train.labels.tolist() == [0, 0, 1, 1]
    assert data.test.pixels[:, 0, 0, 0].tolist() == [9, 109]
    assert [session.tolist() for session in standard_sessions(data, tmp_path)] == [[3]]


def test_csv_tables_serve_without_lists(tmp_path, save):
    root = tmp_path / "miniimagenet"
    save_all(save, lambda wnid, i: root / "images" / image(wnid, i))
    (root / "split").mkdir()
    for split, numbers in (("train", (5, 3)), ("test", (9,))):
        rows = [f"{image(wnid, i)},{wnid}\n" for wnid in WNIDS for i in numbers]
        (root / "split" / f"{split}.csv").write_text("filename,label\n" + "".join(rows))
    data = load_dataset("mini_imagenet", root=tmp_path)
    assert data.train.pixels[:, 0, 0, 0].tolist() == [5, 3, 105, 103]
    assert data.class_names == NAMES


def test_neither_lists_nor_tables_nor_images(tmp_path, save):
    with refused(DataMissing, where="mini_imagenet", names=("copy its images",)):
        load_dataset("mini_imagenet", root=tmp_path)
    save_all(save, lambda wnid, i: tmp_path / "mini_imagenet" / image(wnid, i))
    with refused(DataMissing, where="fscil_splits", names=("lists", "mini_imagenet")):
        load_dataset("mini_imagenet", root=tmp_path)


def test_an_incomplete_copy_is_refused(tmp_path, lists, save):
    save_all(save, lambda wnid, i: tmp_path / "mini_imagenet" / image(wnid, i))
    (tmp_path / "mini_imagenet" / image(WNIDS[0], 9)).unlink()
    with refused(where="mini_imagenet", names=("1 images", image(WNIDS[0], 9))):
        load_dataset("mini_imagenet", root=tmp_path)


def test_a_clip_gets_the_pixels_of_the_files_and_not_those_of_84(tmp_path, lists, save):
    save_all(save, lambda wnid, i: tmp_path / "mini_imagenet" / image(wnid, i))
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (375, 500, 3), np.uint8))
    noise.save(tmp_path / "mini_imagenet" / image(WNIDS[0], 5))
    size = load_scenario("miniimagenet_fscil").stream.image_size
    published = transforms.Compose(
        [transforms.Resize(size, interpolation=transforms.InterpolationMode.BICUBIC), transforms.CenterCrop(size)]
    )
    found = load_dataset("mini_imagenet", image_size=size, root=tmp_path).train.pixels[0]
    assert size == 224
    assert np.array_equal(found.numpy(), np.asarray(published(noise)).transpose(2, 0, 1))


def test_an_image_at_two_places_is_refused(tmp_path, lists, save):
    save_all(save, lambda wnid, i: tmp_path / "mini_imagenet" / "images" / image(wnid, i))
    save(tmp_path / "mini_imagenet" / "small" / image(WNIDS[0], 3))
    with refused(names=(f"small/{image(WNIDS[0], 3)}", f"images/{image(WNIDS[0], 3)}")):
        load_dataset("mini_imagenet", root=tmp_path)


def test_a_table_with_other_separators_is_named_by_line(tmp_path, save):
    root = tmp_path / "miniimagenet"
    save_all(save, lambda wnid, i: root / "images" / image(wnid, i))
    (root / "split").mkdir()
    (root / "split" / "train.csv").write_text("filename;label\n")
    with refused(where="train.csv:1", names=("comma",)):
        load_dataset("mini_imagenet", root=tmp_path)
