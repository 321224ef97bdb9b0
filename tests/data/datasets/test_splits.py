import hashlib
from collections import Counter
from pathlib import PurePosixPath

import pytest
import torch
from helpers.errors import refused

from clsim.data import DataSet, Images, load_dataset
from clsim.data.datasets import splits
from clsim.data.datasets.split_hashes import SHA256
from clsim.data.datasets.splits import draw_sessions, read_list, standard_sessions
from clsim.utils import download
from clsim.utils.errors import DataMissing

LABELS = torch.arange(6).repeat(10)
BLOCKS = [[0, 1, 2], [4, 3], [5]]


def dataset(name="cifar100", count=60):
    images = Images(torch.zeros(count, 3, 1, 1, dtype=torch.uint8), torch.zeros(count, dtype=torch.int64), ("a",), name)
    return DataSet(name, images, images)


def test_the_base_session_takes_all_and_the_others_their_shots():
    base, first, second = draw_sessions(LABELS, BLOCKS, shots=4, seed=0)
    assert sorted(base.tolist()) == [i for i in range(60) if i % 6 < 3]
    assert LABELS[first].tolist() == [4] * 4 + [3] * 4
    assert LABELS[second].tolist() == [5] * 4
    assert len(set(first.tolist())) == 8


def test_a_draw_depends_on_its_seed_alone():
    before = torch.get_rng_state()
    draws = [torch.cat(draw_sessions(LABELS, BLOCKS, 4, seed)[1:]).tolist() for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    assert torch.equal(torch.get_rng_state(), before)


def test_fewer_shots_are_a_subset_of_more():
    few, many = (draw_sessions(LABELS, BLOCKS, shots, 3) for shots in (2, 5))
    assert all(set(a.tolist()) < set(b.tolist()) for a, b in zip(few[1:], many[1:], strict=True))


def test_every_image_can_be_drawn():
    drawn = {i for seed in range(40) for i in draw_sessions(LABELS, BLOCKS, 4, seed)[2].tolist()}
    assert drawn == {i for i in range(60) if i % 6 == 5}


def test_too_many_shots_are_refused():
    with refused(names=("class 4", 10, 11)):
        draw_sessions(LABELS, BLOCKS, 11, 0)
    with refused(names=("class 6", 0)):
        draw_sessions(LABELS, [[6]], 1, 0)


def test_missing_and_altered_lists_are_named(tmp_path):
    path = tmp_path / "fscil_splits" / "cifar100" / "session_1.txt"
    with refused(DataMissing, where=str(path)):
        standard_sessions(dataset(), tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text("1\n2\n")
    with refused(where=str(path), names=("sha256",)) as caught:
        standard_sessions(dataset(), tmp_path)
    assert not isinstance(caught.value, DataMissing)


def test_missing_lists_are_fetched_where_the_network_allows(tmp_path, monkeypatch):
    asked = []

    def fetch(url, path, sha256):
        asked.append((url.rsplit("/", 2)[1:], sha256))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("5\n")

    monkeypatch.setitem(SHA256, "cifar100", {"session_1.txt": hashlib.sha256(b"5\n").hexdigest()})
    monkeypatch.setattr(download, "reachable", lambda url: True)
    monkeypatch.setattr(splits, "fetch_file", fetch)
    for _ in range(2):
        assert standard_sessions(dataset(), tmp_path)[0].tolist() == [5]
    assert asked == [(["cifar100", "session_1.txt"], SHA256["cifar100"]["session_1.txt"])]


def test_windows_line_ends_are_the_same_list(tmp_path, monkeypatch):
    monkeypatch.setitem(SHA256, "cifar100", {"session_1.txt": hashlib.sha256(b"7\n3\n").hexdigest()})
    path = tmp_path / "fscil_splits" / "cifar100" / "session_1.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"7\r\n3\r\n")
    assert [session.tolist() for session in standard_sessions(dataset(), tmp_path)] == [[7, 3]]
    with refused(names=("missing image: 7",)):
        standard_sessions(dataset(count=7), tmp_path)


def test_a_data_set_without_standard_lists(tmp_path):
    with refused(names=("cifar10,", "cifar100, cub200, mini_imagenet", "draw")):
        standard_sessions(dataset("cifar10"), tmp_path)


@pytest.mark.real_data("cifar100", "fscil_splits")
def test_the_real_cifar100_sessions(data_root):
    data = load_dataset("cifar100", root=data_root)
    sessions = standard_sessions(data, data_root)
    assert [len(session) for session in sessions] == [30_000] + [25] * 8
    assert sessions[1][:3].tolist() == [29_774, 33_344, 4_815]
    classes = [data.train.labels[session] for session in sessions]
    assert classes[0].unique().tolist() == list(range(60))
    for t, found in enumerate(classes[1:]):
        # Laid out class by class, five by five.
        assert found.tolist() == [c for c in range(60 + 5 * t, 65 + 5 * t) for _ in range(5)]
    assert len(torch.cat(sessions).unique()) == 30_200
    assert torch.equal(sessions[0].sort().values, (data.train.labels < 60).nonzero().flatten())


@pytest.mark.real_data("cifar100", "fscil_splits")
def test_the_real_test_lists_are_all_test_images_of_the_classes(data_root):
    labels = load_dataset("cifar100", root=data_root).test.labels
    for t in range(9):
        path = data_root / "fscil_splits" / "cifar100" / f"test_{t + 1}.txt"
        listed = sorted(int(line) for line in path.read_text().split())
        low, high = (0, 60) if t == 0 else (55 + 5 * t, 60 + 5 * t)
        assert listed == ((labels >= low) & (labels < high)).nonzero().flatten().tolist()


@pytest.mark.real_data("fscil_splits")
@pytest.mark.parametrize(
    ("name", "sizes", "classes"),
    [("mini_imagenet", [30_000] + [25] * 8, [60] + [5] * 8), ("cub200", [3_000] + [50] * 10, [100] + [10] * 10)],
)
def test_the_real_path_lists(name, sizes, classes, data_root):
    lists = [read_list(name, f"session_{t + 1}.txt", data_root) for t in range(len(sizes))]
    assert [len(lines) for lines in lists] == sizes
    by_class = [Counter(PurePosixPath(line).parent.name for line in lines) for lines in lists]
    assert [len(found) for found in by_class] == classes
    assert all(set(found.values()) == {5} for found in by_class[1:])
    # The class order of the sessions is the sorted one, which is also that of our class ids.
    order = [word for found in by_class for word in sorted(found)]
    assert order == sorted(order) and len(set(order)) == sum(classes)
    files = [PurePosixPath(line).name for lines in lists for line in lines]
    assert len(set(files)) == sum(sizes)
