import pickle
from contextlib import contextmanager

import pytest
from helpers.verified_runs import write_list
from verify.tampering import differing, edit, verdict_of

from clsim.data.datasets import cifar, splits
from clsim.data.datasets.split_hashes import SHA256
from clsim.results.manifest import seal
from clsim.utils import download
from clsim.utils.files import sha256_of
from clsim.verify import verify


@contextmanager
def altered(path, content):
    """A file with other content, or without any if that is ``None``, for a while."""
    before = path.read_bytes()
    try:
        path.unlink() if content is None else path.write_bytes(content)
        yield
    finally:
        path.write_bytes(before)


def fix_scenario(run):
    """Has the manifest's hashes fit a changed scenario."""
    edit(run / "manifest.json", lambda m: m["hashes"].update({"scenario file": sha256_of(run / "scenario.yaml")}))
    seal(run)


def test_a_changed_strategy_file_is_told_and_never_executed(made, world, tmp_path):
    path, mark = made("fscil"), tmp_path / "executed"
    with altered(world / "mine.py", f"open({str(mark)!r}, 'w')\nraise SystemExit\n".encode()):
        assert differing(path) == {"strategy file"}
    assert not mark.exists()
    with altered(world / "mine.py", None):
        assert verdict_of(path, "strategy file") == "not checked"
        assert not differing(path)


def test_another_strategy_in_the_scenario_is_told(run):
    path = run("upgrade")
    text = (path / "scenario.yaml").read_text()
    (path / "scenario.yaml").write_text(text.replace("strategy: independent", "strategy: bct"))
    fix_scenario(path)
    assert "strategy file" in differing(path)


def test_a_changed_image_is_told(made, world):
    one, two = made("fscil"), made("upgrade")
    image, other = world / "data/train/thing_1/1.png", world / "data/train/thing_2/2.png"
    with altered(image, other.read_bytes() + b" "):
        assert differing(one) == {"train images"}
    with altered(image, b"no image"):
        assert differing(one) == {"data and split lists"}
    image = world / "data/test/thing_1/1.png"
    with altered(image, other.read_bytes() + b" "):
        assert differing(two) == {"test images", "query images", "gallery images"}


def test_a_changed_caption_is_told(made, world):
    path, text = made("texts"), (world / "pictures.csv").read_text()
    with altered(world / "pictures.csv", text.replace("a red", "a ripe").encode()):
        assert differing(path) >= {"train images", "train captions", "test captions"}


def test_data_that_are_not_here_are_not_checked(made, world):
    path = made("fscil")
    (world / "data").rename(world / "elsewhere")
    try:
        verification = verify(path)
    finally:
        (world / "elsewhere").rename(world / "data")
    assert not verification.differs
    (skipped,) = [check for check in verification.checks if check.verdict == "not checked"]
    assert skipped.what == "data and split lists" and "not here" in skipped.detail


def test_changed_weights_are_told_and_missing_ones_are_not_checked(made, world):
    for kind, what in (("fscil", "weights file of the strategy"), ("texts", "weights file small")):
        path = made(kind)
        with altered(world / "small.safetensors", (world / "large.safetensors").read_bytes()):
            assert differing(path) == {what}
        with altered(world / "small.safetensors", None):
            assert verdict_of(path, what) == "not checked"
            assert not differing(path)


def test_a_made_model_that_was_altered_is_told(made, world):
    path = made("replaced")
    (weights,) = (world / "models").glob("*.safetensors")
    with altered(weights, weights.read_bytes()[:-1] + b"?"):
        assert differing(path) == {"weights file trained"}


@pytest.mark.parametrize(
    ("old", "new"),
    [("draw: 1", "draw: 2"), ("class_order: natural", "class_order: {seed: 3}"), ("shots: 3", "shots: 4")],
)
def test_other_splits_or_classes_in_the_scenario_are_told(run, old, new):
    path = run("fscil")
    text = (path / "scenario.yaml").read_text()
    assert old in text
    (path / "scenario.yaml").write_text(text.replace(old, new))
    assert differing(path) >= {"file scenario.yaml", "scenario.yaml", "split lists"}
    fix_scenario(path)
    assert "split lists" in (left := differing(path)) and "scenario.yaml" not in left


def test_a_scenario_that_cannot_be_read_or_is_gone_is_told(run):
    path = run("fscil")
    for text in ("stream: [1\n", "- a\n", "", "\x00", "stream: {kind: fscil}\nnonsense: 1\n", "a: " + "[" * 2000):
        (path / "scenario.yaml").write_text(text)
        fix_scenario(path)
        assert differing(path) == {"scenario.yaml"}, text
    (path / "scenario.yaml").unlink()
    seal(path)
    assert differing(path) == {"scenario.yaml"}


def test_another_clsim_is_told(run):
    path = run("fscil")
    edit(path / "manifest.json", lambda content: content["hashes"].update({"clsim source": "0" * 64}))
    assert differing(path) == {"clsim source"}
    edit(path / "manifest.json", lambda content: content.update(clsim="0.0.1"))
    assert verdict_of(path, "clsim source") == "not checked"


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def test_of_a_run_by_standard_lists_everything_agrees(listed):
    found = {check.what: check for check in verify(listed).checks}
    assert {check.verdict for check in found.values()} == {"agrees"}, found
    assert {"standard few-shot lists", "standard few-shot lists, their pinned hashes", "split lists"} <= set(found)


def test_a_changed_list_is_told(listed, data):
    path = data / "fscil_splits" / "cifar100" / "session_3.txt"
    images = [int(line) for line in path.read_text().split()]
    write_list(data, "session_3.txt", [images[0] + 5, *images[1:]])  # an image of the same class
    assert differing(listed) == {"standard few-shot lists", "data and split lists"}
    path.unlink()
    verification = verify(listed)
    assert not verification.differs
    skipped = {check.what for check in verification.checks if check.verdict == "not checked"}
    assert skipped == {"standard few-shot lists", "data and split lists"}


def test_a_list_that_was_changed_with_its_pinned_hash_is_told(listed, data, monkeypatch):
    images = [int(line) for line in (data / "fscil_splits/cifar100/session_3.txt").read_text().split()]
    pinned = write_list(data, "session_3.txt", [images[0] + 5, *images[1:]])
    monkeypatch.setitem(SHA256, "cifar100", {**SHA256["cifar100"], "session_3.txt": pinned})
    assert differing(listed) == {"standard few-shot lists, their pinned hashes", "split lists"}


class Marks:
    """Unpickled, it leaves a mark."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_changed_file_of_a_known_data_set_is_told_and_not_unpickled(listed, data, tmp_path):
    (data / "cifar-100-python" / "train").write_bytes(pickle.dumps(Marks(tmp_path / "unpickled")))
    assert differing(listed) == {"data and split lists"}
    assert not (tmp_path / "unpickled").exists()


def test_nothing_is_fetched(listed, data, monkeypatch):
    import shutil

    def fetch(*args, **kwargs):
        raise AssertionError("a verification fetched something")

    monkeypatch.setattr(splits, "fetch_file", fetch)
    monkeypatch.setattr(cifar, "fetch_archive", fetch)
    monkeypatch.setattr(download, "reachable", lambda url: True)
    shutil.rmtree(data)
    assert not verify(listed).differs
