import json

import pytest
from helpers.errors import refused

from clsim.data.datasets.caption_json import read_annotations, read_karpathy


def image(name, split, *captions, **more):
    return {"filename": name, "split": split, "sentences": [{"raw": text, "tokens": []} for text in captions]} | more


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_karpathys_splits(tmp_path):
    images = [
        image("1.jpg", "train", "one ", "two"),
        image("2.jpg", "restval", "three", " ", filepath="val2014"),
        image("3.jpg", "val", "out"),
        image("4.jpg", "test", "four\n"),
    ]
    path = write(tmp_path / "set.json", {"dataset": "x", "images": images})
    train, test = read_karpathy(path, ("train", "restval"), ("test",))
    assert train == {"1.jpg": ("one", "two"), "val2014/2.jpg": ("three",)}
    assert test == {"4.jpg": ("four",)}


@pytest.mark.parametrize(
    ("content", "says", "line"),
    [
        ('{"images":\n [', "damaged", ":2"),
        ("[" * 100_000, "cannot be read", ""),
        ('{"images": ' + "9" * 5000 + "}", "cannot be read", ""),
        ([], "no list 'images'", ""),
        ({"images": {}}, "no list 'images'", ""),
        ({"images": [{"filename": "1.jpg"}]}, "images[0] lacks 'split'", ""),
        ({"images": [image("1.jpg", "train", 5)]}, "images[0]", ""),
        ({"images": ["1.jpg"]}, "images[0]", ""),
        ({"images": [image("1.jpg", "train", "one")]}, "split test", ""),
        ({"images": [image("1.jpg", "train", " ")]}, "1.jpg", ""),
    ],
)
def test_a_damaged_file_of_karpathys_is_named(tmp_path, content, says, line):
    path = write(tmp_path / "set.json", content)
    with refused(where=f"{path}{line}", names=(says,)) as caught:
        read_karpathy(path, ("train",), ("test",))
    assert caught.value.fix


def test_annotations_of_coco(tmp_path):
    content = {
        "images": [{"id": 7, "file_name": "7.jpg"}, {"id": 5, "file_name": "5.jpg"}],
        "annotations": [
            {"image_id": 5, "caption": "five"},
            {"image_id": 7, "caption": "seven\n"},
            {"image_id": 5, "caption": "again"},
        ],
    }
    path = write(tmp_path / "captions.json", content)
    assert read_annotations(path, "val2014") == {"val2014/7.jpg": ("seven",), "val2014/5.jpg": ("five", "again")}


@pytest.mark.parametrize(
    ("images", "annotations", "says"),
    [
        ([{"id": 1}], [], "images[0] lacks 'file_name'"),
        ([{"id": 1, "file_name": "1.jpg"}], [{"image_id": 1}], "annotations[0] lacks 'caption'"),
        ([{"id": 1, "file_name": "1.jpg"}], [{"image_id": 2, "caption": "x"}], "annotations[0] lacks 2"),
        ([{"id": 1, "file_name": "1.jpg"}], [{"image_id": 1, "caption": 3}], "a caption"),
        ([{"id": 1, "file_name": "1.jpg"}], [], "1.jpg"),
        ([], [], "no images"),
        ([], None, "no list 'annotations'"),
    ],
)
def test_damaged_annotations_are_named(tmp_path, images, annotations, says):
    path = write(tmp_path / "captions.json", {"images": images, "annotations": annotations})
    with refused(where=str(path), names=(says,)):
        read_annotations(path, "train2014")


def test_what_is_no_text_is_named(tmp_path):
    (tmp_path / "x.json").write_bytes(b"\xff")
    with refused(where="x.json", names=("UTF-8",)):
        read_annotations(tmp_path / "x.json", "x")
