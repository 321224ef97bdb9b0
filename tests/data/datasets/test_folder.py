import tarfile

import pytest
import torch
from helpers.errors import refused

from clsim.data import load_dataset
from clsim.data.datasets import folder
from clsim.data.io import load
from clsim.utils.errors import DataWarning


def first_pixels(images):
    return images.pixels[:, 0, 0, 0].tolist()


def test_train_and_test_folders_give_labels_names_and_paths(tmp_path, pets):
    data = folder.load(pets, None, [tmp_path / "cache"])
    assert data.class_names == ("big dog", "cat")
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert first_pixels(data.train) == [10, 11, 12, 20, 21, 22]
    assert data.train.paths[3] == "train/cat/deeper/0.png"
    assert first_pixels(data.test) == [30, 40]
    assert data.name == f"folder:{pets}"


def test_archive_and_folder_are_the_same_data(tmp_path, pets):
    with tarfile.open(tmp_path / "pets.tar.gz", "w:gz") as tar:
        tar.add(pets, "pets")
    packed = folder.load(tmp_path / "pets.tar.gz", None, [tmp_path / "cache"])
    loose = folder.load(pets, None, [tmp_path / "cache"])
    assert (packed.train.sha256, packed.test.sha256) == (loose.train.sha256, loose.test.sha256)


def test_the_second_load_decodes_nothing_until_a_file_changes(tmp_path, pets, save, monkeypatch):
    cache = [tmp_path / "cache"]
    first = folder.load(pets, 4, cache)
    with monkeypatch.context() as patch:
        patch.setattr(load, "decode", None)
        second = folder.load(pets, 4, cache)
        with pytest.raises(TypeError):
            folder.load(pets, 5, cache)
    assert second.train.sha256 == first.train.sha256
    save(pets / "train" / "cat" / "deeper" / "0.png", 99, (16, 16))
    assert first_pixels(folder.load(pets, 4, cache).train)[3] == 99


def test_without_a_test_folder_a_fifth_of_every_class_is_set_aside():
    files = [f"{word}/{i:02d}.jpg" for word in ("cat", "dog") for i in range(10)]
    train, test, *_ = folder.split(files)
    assert {word: len(chosen) for word, chosen in test.items()} == {"cat": 2, "dog": 2}
    assert sorted([*train["cat"], *test["cat"]]) == files[:10]
    assert folder.split(files)[:2] == (train, test)
    before = torch.get_rng_state()
    folder.split(files)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", ["test", "val", "valid", "validation"])
def test_recognized_layouts(name):
    files = ["train/a/1.jpg", "train/b/1.jpg", f"{name}/a/2.jpg", f"{name}/b/2.jpg"]
    expected = {"a": [files[0]], "b": [files[1]]}, {"a": [files[2]], "b": [files[3]]}
    assert folder.split(files)[:2] == expected
    around = [f"set/inner/{file}" for file in files]
    assert folder.split(around)[0] == {"a": [around[0]], "b": [around[1]]}


def test_a_single_class_is_not_skipped_as_an_outer_folder():
    train, test, *_ = folder.split(["cat/1.jpg", "cat/2.jpg"])
    assert list(train) == list(test) == ["cat"]


def test_what_cannot_be_learned_or_tested_is_refused(tmp_path, pets, save):
    with refused(names=("1.jpg",)):
        folder.split(["1.jpg", "cat/2.jpg"])
    with refused(names=("'dog'", "one image")):
        folder.split(["cat/1.jpg", "cat/2.jpg", "dog/1.jpg"])
    save(pets / "test" / "cow" / "0.png")
    with refused(where=str(pets), names=("'cow'", "train")):
        folder.load(pets, None, [tmp_path / "cache"])


@pytest.mark.parametrize(
    ("first", "second"), [("red_fox", "red fox"), ("red fox", "red fox "), ("caf\u00e9", "cafe\u0301"), ("a__b", "a_b")]
)
def test_two_folders_of_one_class_name_are_refused(first, second):
    files = [f"{word}/{i}.png" for word in (first, second, "cat") for i in range(3)]
    with refused(names=(ascii(first), ascii(second))):
        folder.split(files)


def test_the_parts_may_write_a_class_in_two_ways_but_not_with_other_capitals(tmp_path, save):
    for i in range(3):
        for place in ("train/red_fox", "train/caf\u00e9", "test/red fox", "test/cafe\u0301"):
            save(tmp_path / "pets" / place / f"{i}.png", i)
    assert folder.load(tmp_path / "pets", None, []).class_names == ("caf\u00e9", "red fox")
    (tmp_path / "pets" / "test" / "red fox").rename(tmp_path / "pets" / "test" / "Red Fox")
    with refused(where="pets", names=("'Red Fox'", "'red fox'", "train")):
        folder.load(tmp_path / "pets", None, [])


@pytest.mark.parametrize("name", ["_", " ", "__ "])
def test_a_folder_whose_name_says_nothing_is_refused(name):
    with refused(names=(repr(name),)):
        folder.split([f"{name}/1.png", f"{name}/2.png"])


def test_folders_beside_the_parts_warn(tmp_path, pets, save):
    for place in ("val/cat/1.png", "val/cat/2.png", "extra/cow/1.png"):
        save(pets / place)
    with pytest.warns(DataWarning, match=r"train/ and test/ are left out: extra/ \(1\), val/ \(2\)"):
        data = folder.load(pets, None, [tmp_path / "cache"])
    assert data.class_names == ("big dog", "cat") and len(data.test) == 2


def test_files_of_other_suffixes_warn(tmp_path, pets):
    for i in range(3):
        (pets / "train" / "cat" / f"{i}.heic").touch()
    with pytest.warns(DataWarning, match=r"3 files .*\.heic \(3\)"):
        load_dataset(f"folder:{pets}", root=tmp_path)


def test_an_error_of_the_layout_names_the_folder(tmp_path, save):
    save(tmp_path / "pets" / "train" / "cat" / "1.png"), save(tmp_path / "pets" / "more" / "cat" / "1.png")
    with refused(where=str(tmp_path / "pets"), names=("train/",)):
        folder.load(tmp_path / "pets", None, [])


def test_a_broken_image_is_named_and_nothing_is_cached(tmp_path, pets):
    broken = pets / "train" / "cat" / "deeper" / "1.png"
    broken.write_bytes(broken.read_bytes()[:40])
    with refused(where=str(broken)):
        folder.load(pets, None, [tmp_path / "cache"])
    assert not list(tmp_path.glob("cache/*"))


def test_by_name(tmp_path, pets):
    data = load_dataset(f"folder:{pets}", image_size=16, root=tmp_path)
    assert data.train.pixels.shape == (6, 3, 16, 16)
    assert list((tmp_path / ".cache").glob("*.npy"))


@pytest.mark.parametrize("tops", [("entrenamiento", "prueba"), ("fold0", "fold1"), ("images", "masks")])
def test_classes_with_the_same_subfolders_warn(tops, tmp_path, save):
    for top in tops:
        for word in ("cat", "dog"):
            save(tmp_path / "pets" / top / word / "0.png")
    with pytest.warns(DataWarning, match="same subfolders: cat, dog"):
        folder.load(tmp_path / "pets", None, [])


def test_classes_with_one_or_different_subfolders_do_not_warn():
    assert folder.split([f"{word}/images/{i}.png" for word in ("cat", "dog") for i in range(2)]).within == ()
    assert folder.split(["cat/a/1.png", "cat/b/1.png", "dog/a/1.png", "dog/c/1.png"]).within == ()
