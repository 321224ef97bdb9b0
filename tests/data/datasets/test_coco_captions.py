import json

import pytest
from helpers.errors import refused

from clsim.data import catalog, load_captions
from clsim.utils.errors import DataMissing

FILES = {1: "train2014", 2: "train2014", 3: "val2014", 4: "val2014", 5: "val2014"}
SPLITS = {1: "train", 2: "train", 3: "restval", 4: "val", 5: "test"}


@pytest.fixture(params=["", "images"])
def images(request, tmp_path, save):
    for number, folder in FILES.items():
        save(tmp_path / "coco_captions" / request.param / folder / f"{number}.png", number, (30, 20))
    return tmp_path


def official(root, year="2014"):
    folder = root / "coco_captions" / "annotations"
    folder.mkdir(parents=True)
    for part in ("train", "val"):
        numbers = [number for number, name in FILES.items() if name == f"{part}2014"]
        content = {
            "images": [{"id": number, "file_name": f"{number}.png"} for number in numbers],
            "annotations": [{"image_id": number, "caption": f"this is {number}"} for number in numbers],
        }
        (folder / f"captions_{part}{year}.json").write_text(json.dumps(content))


def karpathy(root):
    listed = [
        {"filepath": folder, "filename": f"{number}.png", "split": SPLITS[number], "sentences": [{"raw": f"{number}"}]}
        for number, folder in FILES.items()
    ]
    (root / "coco_captions" / "dataset_coco.json").write_text(json.dumps({"images": listed}))


def values(images):
    return images.pixels[:, 0, 0, 0].tolist()


def test_official_layout(images):
    official(images)
    data = load_captions("coco_captions", root=images, image_size=16)
    assert (values(data.train), values(data.test)) == ([1, 2], [3, 4, 5])
    assert data.test.texts == ("this is 3", "this is 4", "this is 5")
    assert load_captions("coco_captions", root=images).train.pixels.shape == (2, 3, 224, 224)


def test_the_images_of_2017(tmp_path, save):
    official(tmp_path, "2017")
    for number, folder in FILES.items():
        save(tmp_path / "coco_captions" / folder.replace("2014", "2017") / f"{number}.png", number)
    karpathy(tmp_path)  # of other images, so it is not used
    assert values(load_captions("coco_captions", root=tmp_path, image_size=8).test) == [3, 4, 5]
    (state,) = catalog.verify(["coco_captions"], tmp_path)
    assert "(118287, 5000)" in state.fault


def test_karpathys_split_takes_the_place_of_the_official_one(images):
    official(images)
    (state,) = catalog.verify(["coco_captions"], images)
    assert "(82783, 40504)" in state.fault
    karpathy(images)
    data = load_captions("coco_captions", root=images, image_size=16)
    assert (values(data.train), values(data.test)) == ([1, 2, 3], [5])
    (state,) = catalog.verify(["coco_captions"], images)
    assert "(113287, 5000)" in state.fault


def test_missing_and_damaged_files_are_named(images, tmp_path):
    with refused(DataMissing, where=str(tmp_path / "coco_captions"), names=("cocodataset.org",)):
        load_captions("coco_captions", root=images)
    official(images)
    for path in (images / "coco_captions").rglob("5.png"):
        path.write_bytes(b"no image")
    with refused(where="5.png", names=("decoded",)):
        load_captions("coco_captions", root=images, image_size=16)
    for path in (images / "coco_captions").rglob("5.png"):
        path.unlink()
    with refused(names=("1 images of coco_captions", "val2014/5.png")):
        load_captions("coco_captions", root=images, image_size=16)
