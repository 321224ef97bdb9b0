import hashlib
import pickle

import numpy as np
import pytest
import torch
from helpers.errors import refused
from torchvision import datasets

from clsim.data import load_dataset
from clsim.utils.errors import DataMissing


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content))
    return hashlib.md5(path.read_bytes()).hexdigest()


def rows(count, start=0):
    return (np.arange(count * 3072) + start).astype(np.uint8).reshape(count, 3072)


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Files in the official format with fewer images, and their checksums in torchvision's table."""
    names = [f"class_{i}" for i in range(10)]
    for official, key in ((datasets.CIFAR10, "labels"), (datasets.CIFAR100, "fine_labels")):
        folder = tmp_path / official.base_folder
        for table in ("train_list", "test_list"):
            files = [
                [file, write(folder / file, {"data": rows(4, i), key: [i, 1, 2, 9]})]
                for i, (file, _) in enumerate(getattr(official, table))
            ]
            monkeypatch.setattr(official, table, files)
        meta = official.meta
        md5 = write(folder / meta["filename"], {meta["key"]: names})
        monkeypatch.setattr(official, "meta", {**meta, "md5": md5})
    return tmp_path


def test_official_files(fake):
    data = load_dataset("cifar100", root=fake)
    assert data.train.pixels.shape == (4, 3, 32, 32)
    assert data.train.labels.tolist() == [0, 1, 2, 9]
    assert data.class_names[9] == "class 9"
    # A row holds 1024 red, then green, then blue bytes, each row by row: as torchvision lays them out.
    reference = datasets.CIFAR100(fake)
    assert np.array_equal(data.train.pixels.permute(0, 2, 3, 1).numpy(), reference.data)


def test_batches_are_joined_in_order(fake):
    data = load_dataset("cifar10", root=fake)
    assert len(data.train) == 20 and len(data.test) == 4
    assert data.train.labels.tolist()[::4] == [0, 1, 2, 3, 4]
    assert np.array_equal(data.train.pixels.permute(0, 2, 3, 1).numpy(), datasets.CIFAR10(fake).data)


def test_another_size_is_resampled(fake):
    assert load_dataset("cifar100", root=fake, image_size=16).test.pixels.shape == (4, 3, 16, 16)


def test_an_altered_file_is_named_and_never_unpickled(fake, tmp_path):
    class Attack:
        def __reduce__(self):
            return (open, (str(tmp_path / "attacked"), "w"))

    path = fake / "cifar-100-python" / "train"
    path.write_bytes(pickle.dumps(Attack()))
    with refused(where=str(path), names=("md5",)):
        load_dataset("cifar100", root=fake)
    assert not (tmp_path / "attacked").exists()


def test_even_a_file_of_the_right_md5_runs_no_code(fake, tmp_path, monkeypatch):
    class Attack:
        def __reduce__(self):
            return (open, (str(tmp_path / "attacked"), "w"))

    md5 = write(fake / "cifar-100-python" / "train", {"data": rows(4), "fine_labels": Attack()})
    monkeypatch.setattr(datasets.CIFAR100, "train_list", [["train", md5]])
    with refused(where=str(fake / "cifar-100-python" / "train"), names=("arrays", "open")):
        load_dataset("cifar100", root=fake)
    assert not (tmp_path / "attacked").exists()


def test_cifar10_from_images(tmp_path, save):
    for split in ("train", "test"):
        for word in ("frog", "cat"):
            save(tmp_path / "cifar10" / split / word / "0000.png", len(word), (32, 32))
    data = load_dataset("cifar10", root=tmp_path)
    assert data.name == data.train.name == "cifar10"
    assert data.class_names == ("cat", "frog")
    assert data.train.pixels[:, 0, 0, 0].tolist() == [3, 4]


def test_missing_without_network_says_how_to_get_it(tmp_path):
    with refused(DataMissing, names=("no network connection", "clsim data fetch cifar100")):
        load_dataset("cifar100", root=tmp_path / "data")


@pytest.mark.real_data("cifar100")
def test_real_cifar100(data_root):
    data = load_dataset("cifar100", root=data_root)
    assert (len(data.train), len(data.test), len(data.class_names)) == (50_000, 10_000, 100)
    assert data.class_names[:3] == ("apple", "aquarium fish", "baby")
    assert data.class_names[99] == "worm"
    assert torch.equal(data.train.labels.bincount(), torch.full((100,), 500))
    assert torch.equal(data.test.labels.bincount(), torch.full((100,), 100))
    # The channel means that everyone normalises CIFAR-100 with.
    mean = data.train.pixels.float().mean((0, 2, 3)) / 255
    torch.testing.assert_close(mean, torch.tensor([0.5071, 0.4865, 0.4409]), atol=1e-3, rtol=0)


@pytest.mark.real_data("cifar10")
def test_real_cifar10(data_root):
    data = load_dataset("cifar10", root=data_root)
    assert (len(data.train), len(data.test)) == (50_000, 10_000)
    assert data.class_names == (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )
    mean = data.train.pixels.float().mean((0, 2, 3)) / 255
    torch.testing.assert_close(mean, torch.tensor([0.4914, 0.4822, 0.4465]), atol=5e-3, rtol=0)
