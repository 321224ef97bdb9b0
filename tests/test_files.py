import hashlib

import pytest

from clsim.files import atomic, sha256_of


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
