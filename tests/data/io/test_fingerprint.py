import os
import time

import pytest

from clsim.data.datasets import folder
from clsim.data.io import fingerprint, load
from clsim.data.io.fingerprint import fingerprints, stamp_of

OLD = (315_532_800, 315_532_800)


@pytest.fixture
def settled(monkeypatch):
    """Cache hashes of new files at once."""
    monkeypatch.setattr(fingerprint, "FRESH_NS", 0)


def keep(save, root, value):
    """Four images of one gray value and one time stamp, as unpacked from a reproducible archive."""
    for word in ("cat", "dog"):
        for i in range(2):
            os.utime(save(root / word / f"{i}.bmp", value), OLD)


@pytest.mark.parametrize("settle", [True, False])
def test_another_content_of_the_same_size_and_time_is_decoded_anew(tmp_path, save, settle, monkeypatch):
    if settle:
        monkeypatch.setattr(fingerprint, "FRESH_NS", 0)
    root, cache = tmp_path / "pets", [tmp_path / "cache"]
    keep(save, root, 10)
    assert (folder.load(root, None, cache).train.pixels == 10).all()
    time.sleep(0.02)  # longer than a tick of the clock of files
    keep(save, root, 200)
    assert (folder.load(root, None, cache).train.pixels == 200).all()


def test_what_was_moved_or_touched_is_not_decoded_again(tmp_path, save, settled, monkeypatch):
    cache = [tmp_path / "cache"]
    keep(save, tmp_path / "pets", 10)
    first = folder.load(tmp_path / "pets", None, cache)
    (tmp_path / "pets").rename(tmp_path / "animals")
    (tmp_path / "animals" / "cat" / "0.bmp").touch()
    monkeypatch.setattr(load, "decode", None)
    assert folder.load(tmp_path / "animals", None, cache).train.sha256 == first.train.sha256


def test_settled_files_are_read_once(tmp_path, save, settled, monkeypatch):
    path, cache = save(tmp_path / "a.png", 1), [tmp_path / "cache"]
    first = fingerprints([str(path)], [stamp_of(path.stat())], "key", cache)
    monkeypatch.setattr(fingerprint, "_hash_all", None)
    assert fingerprints([str(path)], [stamp_of(path.stat())], "key", cache) == first


def test_a_hash_of_a_fresh_file_is_not_kept(tmp_path, save):
    path = save(tmp_path / "a.png", 1)
    fingerprints([str(path)], [stamp_of(path.stat())], "key", [tmp_path / "cache"])
    assert not (tmp_path / "cache").exists()


def test_the_stamp_sees_a_change_that_restores_the_time_of_modification(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"1")
    os.utime(path, OLD)
    before = stamp_of(path.stat())
    time.sleep(0.02)
    path.write_bytes(b"2")
    os.utime(path, OLD)
    assert stamp_of(path.stat()) != before


def test_a_file_that_cannot_be_read_stops_nothing_here(tmp_path):
    assert fingerprints([str(tmp_path / "nowhere")], ["0:0:0:0"], "key", []) == ["0" * 32]
