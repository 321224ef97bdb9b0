import json

import pytest
from helpers.errors import refused

from clsim.data import catalog, load_captions
from clsim.utils.errors import DataMissing

PARTS = {"1.png": "train", "2.png": "train", "3.png": "val", "4.png": "test"}


@pytest.fixture(params=["flickr30k-images", "images"])
def images(request, tmp_path, save):
    for value, name in enumerate(PARTS, start=1):
        save(tmp_path / "flickr30k" / request.param / name, value, (30, 20))
    return tmp_path


def karpathy(root):
    sentences = [{"raw": f"caption {i}"} for i in range(5)]
    listed = [{"filename": name, "split": split, "sentences": sentences} for name, split in PARTS.items()]
    (root / "flickr30k" / "dataset_flickr30k.json").write_text(json.dumps({"images": listed}))


def token(root):
    lines = [f"{name}#{i}\tcaption {i}" for name in PARTS for i in range(5)]
    (root / "flickr30k" / "results_20130124.token").write_text("\n".join(lines))
    for part in ("train", "test"):
        names = [name for name, split in PARTS.items() if split == part]
        (root / "flickr30k" / f"split_{part}.txt").write_text("\n".join(names))


@pytest.mark.parametrize("lay_out", [karpathy, token])
def test_both_layouts_are_the_same_data(images, lay_out):
    lay_out(images)
    data = load_captions("flickr30k", root=images, image_size=16)
    assert data.train.pixels[:, 0, 0, 0].tolist() == [1, 2] and data.test.pixels[:, 0, 0, 0].tolist() == [4]
    assert data.train.pixels.shape == (2, 3, 16, 16)
    assert data.train.captions == (tuple(f"caption {i}" for i in range(5)),) * 2
    assert load_captions("flickr30k", root=images).test.pixels.shape == (1, 3, 224, 224)


def test_verify_counts_where_the_split_is_published(images):
    token(images)
    (state,) = catalog.verify(["flickr30k"], images)
    assert state.checked == "2 training and 1 test images decode, 15 captions; no published checksum"
    karpathy(images)
    (state,) = catalog.verify(["flickr30k"], images)
    assert "(2, 1)" in state.fault and "(29000, 1000)" in state.fault


def test_missing_files_are_named(images, tmp_path):
    with refused(DataMissing, where=str(tmp_path / "flickr30k"), names=("flickr30k-images",)):
        load_captions("flickr30k", root=images)
    token(images)
    (images / "flickr30k" / "split_test.txt").unlink()
    with pytest.raises(DataMissing):
        load_captions("flickr30k", root=images)


def test_what_is_damaged_is_named(images):
    token(images)
    path = images / "flickr30k" / "results_20130124.token"
    path.write_text(path.read_text() + "\n5.png no number\n")
    with refused(where=f"{path}:21", names=("file#number, a tab, caption",)):
        load_captions("flickr30k", root=images)
    path.write_text(path.read_text().replace("5.png no number", "5.png#0\tcaption"))
    with (images / "flickr30k" / "split_test.txt").open("a") as file:
        file.write("\n5.png\n")
    with refused(names=("1 images of flickr30k", "5.png")):
        load_captions("flickr30k", root=images)
