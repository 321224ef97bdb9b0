"""Damaged files end in one error that names the file, and never run code."""

import numpy as np
import pytest
from helpers.vector_files import FORMATS, forged_npy, mutations, some_rows

from clsim.data.vectors import check_vectors, open_vectors
from clsim.utils.errors import UserError

PER_FORMAT = 60


def outcome(path):
    """Return the error, or None for a readable file: it may hold other numbers, but only numbers."""
    try:
        vectors = open_vectors(path)
        check_vectors(vectors)
    except UserError as error:
        assert str(path) in str(error), f"the message does not name the file: {error}"
        assert "\n" not in error.what
        return error
    return None


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_changed_files_are_read_or_refused(tmp_path, name):
    file, write, dtypes, package = FORMATS[name]
    if package:
        pytest.importorskip(package)
    write(tmp_path / file, some_rows(dtype=dtypes[0]))
    path = tmp_path / file
    inner = path / "features" / "version0.safetensors" if path.is_dir() else path
    whole, refusals = inner.read_bytes(), 0
    for number, (change, content) in enumerate(mutations(whole, PER_FORMAT, seed=len(name))):
        inner.write_bytes(content)
        error = outcome(path)
        refusals += error is not None
        whole_rows = name in ("fvecs", "bvecs") and content and len(content) % (len(whole) // 11) == 0
        if number % 6 == 0 and not whole_rows:
            assert error is not None, f"{change}: a file that was cut is read"
    assert refusals >= PER_FORMAT // 4


def test_five_hundred_cut_files_are_refused(tmp_path):
    """Each format, cut everywhere: what is missing is never made up."""
    count = 0
    for name, (file, write, dtypes, package) in FORMATS.items():
        if package:
            pytest.importorskip(package)
        folder = tmp_path / name.replace(", ", "_")
        folder.mkdir()
        path = folder / file
        write(path, some_rows(dtype=dtypes[0]))
        inner = path / "features" / "version0.safetensors" if path.is_dir() else path
        whole = inner.read_bytes()
        row = 4 + 6 * (4 if name == "fvecs" else 1)
        for end in np.linspace(0, len(whole) - 1, 42).astype(int):
            if name in ("fvecs", "bvecs") and end % row == 0 and end:
                continue  # a shorter file of whole rows, which says nothing of its length
            inner.write_bytes(whole[:end])
            assert outcome(path) is not None, f"{name}, cut at {end}"
            count += 1
    assert count >= 500


def test_forged_headers_are_refused(tmp_path):
    marker = tmp_path / "marker"
    path = tmp_path / "v.npy"
    for fault, content in forged_npy(marker):
        path.write_bytes(content)
        assert outcome(path) is not None, fault
    assert not marker.exists()


def test_pickles_within_archives_are_refused(tmp_path):
    import zipfile

    from helpers.vector_files import with_pickle

    marker, path = tmp_path / "marker", tmp_path / "v.npz"
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr("v.npy", with_pickle(marker))
        assert "pickle" in str(outcome(path))
    assert not marker.exists()


def test_a_pickle_is_not_loaded_under_any_suffix(tmp_path):
    import pickle

    from helpers.vector_files import Bomb

    for name in {file for file, *_ in FORMATS.values()} - {"run"}:
        (tmp_path / name).write_bytes(pickle.dumps(Bomb(tmp_path / "marker")))
        assert outcome(tmp_path / name) is not None
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"5",
        b"{",
        b'{"v": 5}',
        b'{"v": {}}',
        b'{"v": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 12]}}',
        b'{"v": {"dtype": "F32", "shape": [2, 2], "data_offsets": [-16, 0]}}',
        b'{"v": {"dtype": "F32", "shape": [-2, -2], "data_offsets": [0, 16]}}',
        b'{"v": {"dtype": "F32", "shape": [4611686018427387904, 4], "data_offsets": [0, 0]}}',
        b'{"v": {"dtype": "F32", "shape": [4, 4], "data_offsets": [0, 64]}}',
        b'{"v": {"dtype": "F32", "shape": "22", "data_offsets": [0, 16]}}',
        b'{"v": {"dtype": ["F32"], "shape": [2, 2], "data_offsets": [0, 16]}}',
        b'{"v": {"dtype": "F8_E4M3", "shape": [4, 4], "data_offsets": [0, 16]}}',
        b'{"v": {"dtype": "F32", "shape": [0, 4], "data_offsets": [0, 0]}}',
        b"[" * 100_000,
    ],
)
def test_forged_headers_of_safetensors_are_refused(tmp_path, header):
    path = tmp_path / "v.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(16))
    assert outcome(path) is not None


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"a,b\n1\n", b"a\n\nb\n", b"\xff\xfe", b'"a', b"a,a\n1,2\n", b"a,b\n1,\n"]
)
def test_broken_tables_are_refused(tmp_path, content):
    from clsim.data.vectors import list_arrays

    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        list_arrays(path)
    assert str(path) in str(caught.value)
