import hashlib
import json
import threading
import time
from pathlib import Path

import pytest
import torch
from helpers.errors import refused
from safetensors import safe_open
from safetensors.torch import load_file

from clsim.utils.files import atomic, from_home, locked, save_tensors, sha256_of, unlock


def test_files_are_whole_or_not_there(tmp_path):
    target = tmp_path / "file.txt"
    target.write_text("old")

    def broken():
        with atomic(target) as temporary:
            temporary.write_text("half")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        broken()
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]
    with atomic(target) as temporary:
        temporary.write_text("new")
    assert target.read_text() == "new"


def test_a_hash_is_that_of_the_bytes(tmp_path):
    content = bytes(range(256)) * 5000  # more than one read
    (tmp_path / "file").write_bytes(content)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_tensors_are_the_same_bytes_each_time_and_what_they_were(tmp_path):
    tensors = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.tensor([1, 2]), "c": torch.zeros(3, dtype=torch.half)}
    metadata = {name: f'{name} \u00e9\t"\\ {{}}' for name in "hgfedcba"}
    for number in range(5):
        save_tensors(tmp_path / f"{number}", tensors, dict(sorted(metadata.items(), key=lambda item: hash(item[0]))))
    assert len({(tmp_path / f"{number}").read_bytes() for number in range(5)}) == 1
    header = (tmp_path / "0").read_bytes()
    assert list(json.loads(header[8 : 8 + int.from_bytes(header[:8], "little")])["__metadata__"]) == list("abcdefgh")
    with safe_open(tmp_path / "0", framework="pt") as file:
        assert file.metadata() == metadata
    loaded = load_file(tmp_path / "0")
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())
    save_tensors(tmp_path / "plain", tensors)
    with safe_open(tmp_path / "plain", framework="pt") as file:
        assert file.metadata() is None


def test_one_lock_holds_and_another_waits_until_it_is_given_free(tmp_path):
    path, order = tmp_path / "lock", []
    first = locked(path)
    with pytest.raises(BlockingIOError):
        locked(path)

    def second():
        descriptor = locked(path, wait=True)
        order.append("second")
        unlock(path, descriptor)

    waiting = threading.Thread(target=second)
    waiting.start()
    time.sleep(0.2)
    order.append("first")
    unlock(path, first)
    waiting.join(10)
    assert order == ["first", "second"]
    assert not path.exists()


def test_a_tilde_is_a_home_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert from_home("~/runs/a", "--out") == tmp_path / "runs" / "a"
    assert from_home(Path("~"), "--out") == tmp_path
    assert from_home("a/~/b", "--out") == Path("a/~/b")


def test_a_user_who_does_not_exist_has_no_home_directory():
    with refused(where="--out", names=("~nobody-is-called-so",)):
        from_home("~nobody-is-called-so/runs", "--out")
