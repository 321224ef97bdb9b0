"""Memory of files that are mapped."""

import sys
from pathlib import Path

import numpy as np
import pytest

from clsim.data.vectors import VectorSet
from clsim.data.vectors.pages import release


@pytest.mark.skipif(sys.platform != "linux", reason="needs madvise")
def test_pages_of_a_memory_map_are_given_up_and_read_again(tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, np.random.default_rng(0).normal(size=(20_000, 64)).astype(np.float32))
    mapped = np.load(path, mmap_mode="r")
    before = VectorSet(mapped)[:]

    def resident():
        text = Path("/proc/self/smaps").read_text()
        part = text[text.index(str(path)) :]
        return int(part[part.index("Rss:") :].split()[1])

    float(np.asarray(mapped).sum())
    held = resident()
    release(mapped)
    assert held > 4000 > 500 > resident()
    assert VectorSet(mapped)[:].tobytes() == before.tobytes()


def test_changes_that_only_the_process_sees_stay(tmp_path):
    np.save(tmp_path / "rows.npy", np.zeros((4, 2), dtype=np.float32))
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="c")
    mapped[1] = 7
    for view in (mapped, np.asarray(mapped), mapped[1:]):
        release(view)
    assert mapped[1].tolist() == [7, 7]


@pytest.mark.parametrize("mode", ["r", "r+"])
def test_maps_of_their_file_are_read_again(tmp_path, mode):
    np.save(tmp_path / "rows.npy", np.ones((4, 2), dtype=np.float32))
    mapped = np.load(tmp_path / "rows.npy", mmap_mode=mode)
    if mode == "r+":
        mapped[1] = 7
    before = mapped.tolist()
    release(mapped[1:])
    assert mapped.tolist() == before
