import subprocess
import sys
from collections import Counter

import pytest
from helpers.errors import refused

from clsim.data import NAMES, catalog, data_root, load_dataset
from clsim.data.catalog import ENTRIES
from clsim.data.facts import FACTS
from clsim.utils import download as download_module
from clsim.utils.errors import DataMissing


def test_names_are_known_without_torch():
    code = "import sys; from clsim.data import NAMES, data_root, load_dataset; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert set(NAMES) == {name for name, entry in ENTRIES.items() if entry.load}


def test_data_root(monkeypatch, tmp_path):
    monkeypatch.setenv("CLSIM_DATA", str(tmp_path))
    assert data_root() == tmp_path
    monkeypatch.delenv("CLSIM_DATA")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_root() == tmp_path / ".cache" / "clsim" / "data"


def test_an_unknown_name_gets_the_nearest():
    with refused(names=("'cifra100'", "did you mean cifar100?")):
        load_dataset("cifra100")


def test_lists_are_no_images():
    with refused(names=("fscil_splits", "no images")):
        load_dataset("fscil_splits")


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"shapes"}))
def test_what_is_not_here_says_how_to_get_it(name, tmp_path):
    for download in (True, False):
        with pytest.raises(DataMissing) as raised:
            load_dataset(name, root=tmp_path, download=download)
        assert raised.value.fix == ENTRIES[name].how
        assert str(tmp_path) in raised.value.where


def test_nothing_is_fetched_unless_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr(download_module, "reachable", lambda url: pytest.fail("asked the network"))
    with pytest.raises(DataMissing):
        load_dataset("cifar100", root=tmp_path, download=False)


def test_status_of_an_empty_root(tmp_path):
    states = {state.name: state for state in catalog.status(root=tmp_path / "none")}
    assert list(states) == list(ENTRIES)
    assert [name for name, state in states.items() if state.present] == ["shapes"]
    assert all(state.size == 0 and state.how for state in states.values())


def test_status_names_the_folder_and_its_size(tmp_path, save):
    path = save(tmp_path / "cifar10" / "train" / "cat" / "1.png")
    (state,) = catalog.status(["cifar10"], tmp_path)
    assert (state.present, state.where, state.size) == (True, tmp_path / "cifar10", path.stat().st_size)


def test_verify_reports_faults(tmp_path, save):
    for split in ("train", "test"):
        save(tmp_path / "cifar10" / split / "cat" / "1.png", 0, (32, 32))
    lists = tmp_path / "fscil_splits" / "cifar100"
    lists.mkdir(parents=True)
    (lists / "session_1.txt").write_text("1")
    pictures, splits = catalog.verify(["cifar10", "fscil_splits"], tmp_path)
    assert "(1, 1)" in pictures.fault and not pictures.checked
    assert str(lists / "session_1.txt") in splits.fault
    (absent,) = catalog.verify(["cub200"], tmp_path)
    assert absent.fault == "not found"
    assert "cub200" not in [state.name for state in catalog.verify(root=tmp_path / "none")]


def test_fetch_without_network_or_address_is_data_missing(tmp_path):
    with refused(DataMissing, names=("no network",)):
        catalog.fetch(["fscil_splits"], tmp_path)
    with refused(DataMissing, names=("mini_imagenet", "no public address")):
        catalog.fetch(["mini_imagenet"], tmp_path)


def test_fetch_of_everything_leaves_out_what_has_no_address(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(catalog, "_fetch", lambda entry, root: asked.append(entry.name))
    catalog.fetch((), tmp_path)
    assert asked == ["cifar100", "cifar10", "tiny_imagenet", "cub200", "fscil_splits"]


def test_fetch_replaces_what_is_missing_or_altered_only(tmp_path, monkeypatch):
    from clsim.data.datasets import splits

    fetched = []
    monkeypatch.setattr(splits, "SHA256", {"cub200": {"session_1.txt": splits.hashlib.sha256(b"a\n").hexdigest()}})
    monkeypatch.setattr(download_module, "reachable", lambda url: True)

    def fake(url, path, sha256):
        fetched.append(url)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a\n")

    monkeypatch.setattr(splits, "fetch_file", fake)
    for content in (None, None, b"altered\n"):
        if content:
            (tmp_path / "fscil_splits" / "cub200" / "session_1.txt").write_bytes(content)
        (state,) = catalog.fetch(["fscil_splits"], tmp_path)
        assert state.present
    assert len(fetched) == 2 and fetched[0].endswith("data/index_list/cub200/session_1.txt")


@pytest.mark.real_data("cifar100", "cifar10", "tiny_imagenet32")
@pytest.mark.parametrize("name", ["cifar100", "cifar10", "tiny_imagenet32"])
def test_the_facts_are_those_of_the_real_data(name, data_root):
    data, facts = load_dataset(name, root=data_root), FACTS[name]
    assert len(data.class_names) == facts.classes
    assert int(data.train.labels.bincount().min()) == facts.train_per_class
    assert int(data.test.labels.bincount().min()) == facts.test_per_class
    assert data.train.pixels.shape[-2:] == (facts.image_size, facts.image_size)


@pytest.mark.real_data("fscil_splits")
@pytest.mark.parametrize("name", ["cub200", "mini_imagenet"])
def test_the_facts_are_those_of_the_real_lists(name, data_root):
    for split, least in (("train", FACTS[name].train_per_class), ("test", FACTS[name].test_per_class)):
        lines = (data_root / "fscil_splits" / name / f"{split}.txt").read_text().split()
        counts = Counter(line.split("/")[-2] for line in lines)
        assert (len(counts), min(counts.values())) == (FACTS[name].classes, least)


@pytest.mark.real_data("cifar100", "fscil_splits")
def test_verify_the_real_data(data_root):
    cifar100, lists = catalog.verify(["cifar100", "fscil_splits"], data_root)
    assert (cifar100.fault, cifar100.checked) == (None, "official md5")
    assert (lists.fault, lists.checked) == (None, "pinned sha256")


@pytest.mark.parametrize("name", ["folder:", "folder: "])
def test_a_folder_without_a_path_is_not_the_one_where_one_stands(name, tmp_path):
    with refused(names=("folder:PATH",)):
        load_dataset(name, root=tmp_path)
