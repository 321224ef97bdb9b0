import numpy as np
import pytest

from clsim.data.io.cache import cached

ARRAY = np.arange(12, dtype=np.uint8).reshape(3, 4)


def test_made_once_then_mapped(tmp_path):
    made = []

    def make():
        made.append(1)
        return ARRAY

    first, second = (cached("key", make, [tmp_path / "new"]) for _ in range(2))
    assert len(made) == 1
    assert np.array_equal(first, ARRAY) and np.array_equal(second, ARRAY)
    assert isinstance(second, np.memmap)
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["key.npy"]


def test_writing_to_a_mapped_array_does_not_change_the_file(tmp_path):
    mapped = cached("key", lambda: ARRAY, [tmp_path])
    mapped[0] = 99
    assert np.array_equal(cached("key", lambda: ARRAY * 0, [tmp_path]), ARRAY)


def test_a_damaged_file_is_made_anew(tmp_path):
    cached("key", lambda: ARRAY, [tmp_path])
    (tmp_path / "key.npy").write_bytes((tmp_path / "key.npy").read_bytes()[:-3])
    assert np.array_equal(cached("key", lambda: ARRAY + 1, [tmp_path]), ARRAY + 1)
    assert np.array_equal(cached("key", lambda: ARRAY, [tmp_path]), ARRAY + 1)


def test_the_second_folder_serves_where_the_first_takes_nothing(tmp_path):
    (tmp_path / "file").touch()  # no folder can be made here, not even by root
    cached("key", lambda: ARRAY, [tmp_path / "file", tmp_path / "second"])
    assert (tmp_path / "second" / "key.npy").is_file()


def test_no_place_to_keep_it_is_no_failure_but_is_logged(tmp_path, caplog):
    (tmp_path / "file").touch()
    assert np.array_equal(cached("key", lambda: ARRAY, [tmp_path / "file"]), ARRAY)
    assert "could not be cached" in caplog.text


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch, caplog):
    def fill_up(file, array, **_):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", fill_up)
    assert np.array_equal(cached("key", lambda: ARRAY, [tmp_path]), ARRAY)
    assert list(tmp_path.iterdir()) == []
    assert "No space left" in caplog.text


def test_a_failure_to_make_it_passes_through(tmp_path):
    def make():
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        cached("key", make, [tmp_path])
    assert list(tmp_path.iterdir()) == []
