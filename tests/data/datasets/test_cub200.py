import hashlib

import pytest
from helpers.errors import refused

from clsim.data import load_dataset
from clsim.data.datasets.split_hashes import SHA256
from clsim.data.datasets.splits import standard_sessions

IMAGES = {  # number: (file, class, training?)
    1: ("001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.png", 1, 0),
    2: ("001.Black_footed_Albatross/Black_Footed_Albatross_0009_34.png", 1, 1),
    3: ("002.Laysan_Albatross/Laysan_Albatross_0002_1027.png", 2, 1),
    4: ("002.Laysan_Albatross/Laysan_Albatross_0003_1033.png", 2, 0),
}


@pytest.fixture
def cub(tmp_path, save):
    root = tmp_path / "CUB_200_2011"
    for number, (file, _, _) in IMAGES.items():
        save(root / "images" / file, number, (300, 250))
    tables = {
        "images.txt": [f"{n} {file}" for n, (file, _, _) in IMAGES.items()],
        "image_class_labels.txt": [f"{n} {label}" for n, (_, label, _) in IMAGES.items()],
        "train_test_split.txt": [f"{n} {flag}" for n, (_, _, flag) in IMAGES.items()],
        "classes.txt": ["1 001.Black_footed_Albatross", "2 002.Laysan_Albatross"],
    }
    for name, lines in tables.items():
        (root / name).write_text("\n".join(lines) + "\n")
    return tmp_path


def test_official_layout(cub):
    data = load_dataset("cub200", root=cub)
    assert data.class_names == ("Black footed Albatross", "Laysan Albatross")
    assert data.train.pixels.shape == (2, 3, 224, 224)
    assert data.train.pixels[:, 0, 0, 0].tolist() == [2, 3] and data.train.labels.tolist() == [0, 1]
    assert data.test.pixels[:, 0, 0, 0].tolist() == [1, 4] and data.test.labels.tolist() == [0, 1]
    assert load_dataset("cub200", root=cub, image_size=32).test.pixels.shape == (2, 3, 32, 32)


def test_standard_lists_find_the_images(cub, monkeypatch):
    line = f"CUB_200_2011/images/{IMAGES[3][0]}\n".encode()
    path = cub / "fscil_splits" / "cub200" / "session_1.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(line)
    monkeypatch.setitem(SHA256, "cub200", {"session_1.txt": hashlib.sha256(line).hexdigest()})
    assert [session.tolist() for session in standard_sessions(load_dataset("cub200", root=cub), cub)] == [[1]]


def test_a_broken_table_is_named(cub):
    table = cub / "CUB_200_2011" / "image_class_labels.txt"
    table.write_text("1\n")
    with refused(where=str(table)):
        load_dataset("cub200", root=cub)
    table.write_text("1 1\n")
    with refused(where=str(table), names=("no class",)):
        load_dataset("cub200", root=cub)


@pytest.mark.parametrize(("line", "found"), [("4 2", "got 2"), ("5 1", "got nothing")])
def test_an_image_in_neither_part_is_not_dropped(cub, line, found):
    table = cub / "CUB_200_2011" / "train_test_split.txt"
    table.write_text(table.read_text().replace("4 0", line))
    with refused(where=str(table), names=("image 4", found)):
        load_dataset("cub200", root=cub)
