import pytest
from helpers.errors import refused

from clsim.data import load_dataset


@pytest.fixture
def tiny(tmp_path, save):
    root = tmp_path / "tiny_imagenet32"
    for value, wnid in ((20, "n01641577"), (10, "n01443537")):  # bullfrog, goldfish
        for i in range(2):
            save(root / "train" / wnid / "images" / f"{wnid}_{i}.png", value + i, (32, 32))
    for i in range(2):
        save(root / "val" / "images" / f"val_{i}.png", 30 + i, (32, 32))
    lines = "val_1.png\tn01443537\t0\t1\t2\t3\nval_0.png\tn01641577\t0\t1\t2\t3\n"
    (root / "val" / "val_annotations.txt").write_text(lines)
    return tmp_path


def test_labels_follow_sorted_wnids_and_the_annotations(tiny):
    data = load_dataset("tiny_imagenet32", root=tiny)
    assert data.class_names == ("goldfish", "bullfrog")
    assert data.train.labels.tolist() == [0, 0, 1, 1]
    assert data.train.pixels[:, 0, 0, 0].tolist() == [10, 11, 20, 21]
    assert data.test.labels.tolist() == [0, 1]
    assert data.test.pixels[:, 0, 0, 0].tolist() == [31, 30]


def test_an_annotation_of_an_unknown_class_is_located(tiny):
    table = tiny / "tiny_imagenet32" / "val" / "val_annotations.txt"
    table.write_text(table.read_text() + "val_1.png\tn99999999\n")
    with refused(where=f"{table}:3"):
        load_dataset("tiny_imagenet32", root=tiny)


def test_an_image_of_two_classes_is_located(tiny):
    table = tiny / "tiny_imagenet32" / "val" / "val_annotations.txt"
    table.write_text(table.read_text() + "val_1.png\tn01641577\n")
    with refused(where=f"{table}:3", names=("val_1.png", "class")):
        load_dataset("tiny_imagenet32", root=tiny)


def test_a_missing_image_is_named(tiny):
    (tiny / "tiny_imagenet32" / "val" / "images" / "val_0.png").unlink()
    with refused(names=("1 images", "val/images/val_0.png")):
        load_dataset("tiny_imagenet32", root=tiny)


@pytest.mark.real_data("tiny_imagenet32")
def test_real_tiny_imagenet32(data_root):
    data = load_dataset("tiny_imagenet32", root=data_root)
    assert data.train.pixels.shape == (80_000, 3, 32, 32)
    assert set(data.train.labels.bincount().tolist()) == {400}
    assert set(data.test.labels.bincount().tolist()) == {50}
    assert len(set(data.class_names)) == 200
    assert data.class_names[:2] == ("goldfish", "European fire salamander")
