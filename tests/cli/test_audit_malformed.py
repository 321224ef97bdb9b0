"""Malformed inputs of ``clsim audit``: exit code 2, one located message, nothing written."""

import numpy as np
import pytest
from helpers.vector_files import FORMATS, forged_npy, mutations, some_rows

from clsim.api import upgrade

PER_FORMAT = 40
ROWS = 120


class Reached(Exception):
    """The input was accepted, and the audit would begin."""


@pytest.fixture
def refused(command, tmp_path, monkeypatch):
    """Returns the message of a refusal, or None if the audit would begin; checks all that holds for both."""

    def begin(*given, **more):
        raise Reached

    monkeypatch.setattr(upgrade, "audit_vectors", begin)
    (tmp_path / "files").mkdir()

    def call(*words):
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        code, out, err = command("audit", *map(str, words), "--out", str(tmp_path / "out"))
        assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        assert not (tmp_path / "out").exists() and "Traceback" not in err and not out
        if "Reached" in err:
            return None
        assert code == 2, err
        return err

    return call


def write(folder, name, rows=None):
    file, writer, dtypes, package = FORMATS[name]
    if package:
        pytest.importorskip(package)
    writer(folder / file, some_rows(ROWS, dtype=dtypes[0]) if rows is None else rows)
    return folder / file


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", FORMATS)
def test_changed_files(refused, tmp_path, name):
    path = write(tmp_path / "files", name)
    inner = path / "features" / "version0.safetensors" if path.is_dir() else path
    other = tmp_path / "files" / "other.npy"
    np.save(other, some_rows(ROWS, seed=1))
    assert refused(path, other) is None
    whole, count = inner.read_bytes(), 0
    for change, content in mutations(whole, PER_FORMAT, seed=len(name) + 100):
        inner.write_bytes(content)
        message = refused(path, other)
        if message is not None:
            count += 1
            assert str(path) in message or str(other) in message, f"{change}: {message}"
    assert count >= PER_FORMAT // 5


def test_forged_headers(refused, tmp_path):
    path, other = tmp_path / "files" / "v.npy", tmp_path / "files" / "other.npy"
    np.save(other, some_rows(11, seed=1))
    for fault, content in forged_npy(tmp_path / "marker"):
        path.write_bytes(content)
        message = refused(path, other)
        assert message is not None and str(path) in message, fault
    assert not (tmp_path / "marker").exists()


def rows_with(value, row=7):
    rows = some_rows(ROWS)
    rows[row] = value
    return rows


@pytest.mark.parametrize("name", ["npy", "npz", "parquet", "hdf5", "safetensors", "fvecs", "arrow"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0], ids=str)
@pytest.mark.parametrize("place", [0, 1], ids=["old", "new"])
def test_unusable_rows_are_named(refused, tmp_path, name, value, place):
    bad, other = write(tmp_path / "files", name, rows_with(value)), tmp_path / "files" / "other.npy"
    np.save(other, some_rows(ROWS, seed=1))
    message = refused(*((bad, other) if place == 0 else (other, bad)))
    assert str(bad) in message and "row 7" in message
    assert refused(*((bad, other) if place == 0 else (other, bad)), "--drop-unusable") is None


@pytest.mark.parametrize("shape", [(0, 6), (120, 0), (720,), (120, 2, 3), ()])
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_wrong_shapes(refused, tmp_path, shape, dtype):
    bad, other = tmp_path / "files" / "bad.npy", tmp_path / "files" / "other.npy"
    np.save(bad, np.ones(shape, dtype=dtype))
    np.save(other, some_rows(ROWS))
    assert str(bad) in refused(bad, other)
    assert str(bad) in refused(other, bad)


@pytest.mark.parametrize("dtype", ["complex64", "int64", "bool", "U3", "int16", "M8[s]", "f4, i4"])
def test_wrong_types(refused, tmp_path, dtype):
    bad, other = tmp_path / "files" / "bad.npy", tmp_path / "files" / "other.npy"
    np.save(bad, np.ones((ROWS, 6)).astype(dtype) if dtype != "f4, i4" else np.ones((ROWS, 6), dtype=dtype))
    np.save(other, some_rows(ROWS))
    assert str(bad) in refused(bad, other)


@pytest.mark.parametrize("count", [1, 119, 121])
def test_unequal_lengths(refused, tmp_path, count):
    first, second = tmp_path / "files" / "old.npy", tmp_path / "files" / "new.npy"
    np.save(first, some_rows(ROWS))
    np.save(second, some_rows(count))
    assert str(second) in refused(first, second)


WRONG_LABELS = {
    "too few": np.arange(119),
    "too many": np.arange(121),
    "fractions": np.linspace(0, 1, ROWS),
    "rows": np.ones((ROWS, 2), dtype=int),
    "truth": np.ones(ROWS, dtype=bool),
}


@pytest.mark.parametrize("fault", WRONG_LABELS)
def test_wrong_labels(refused, tmp_path, fault):
    first, second, labels = (tmp_path / "files" / f"{name}.npy" for name in ("old", "new", "labels"))
    np.save(first, some_rows(ROWS))
    np.save(second, some_rows(ROWS))
    np.save(labels, WRONG_LABELS[fault])
    assert str(labels) in refused(first, second, "--labels", labels)


@pytest.mark.parametrize(
    "table",
    [
        "",
        "query,item\n",
        "query\n1\n",
        "query,item\n0,120\n",
        "query,item\n-1,3\n",
        "query,item\n0,3\n0,3\n",
        "query,item\na,b\n",
        "query,item\n0\n",
        "question,answer\n0,1\n",
    ],
)
def test_wrong_tables_of_relevant_items(refused, tmp_path, table):
    first, second, relevant = (tmp_path / "files" / name for name in ("old.npy", "new.npy", "relevant.csv"))
    np.save(first, some_rows(ROWS))
    np.save(second, some_rows(ROWS))
    relevant.write_text(table)
    message = refused(first, second, "--relevant", relevant)
    assert message is None if table == "query,item\n" else str(relevant) in message


WRONG_IDS = {
    "twice": np.array([0, 0, *range(2, ROWS)]),
    "too few": np.arange(119),
    "fractions": np.linspace(0, 1, ROWS),
    "texts": np.array([f"i{place}" for place in range(ROWS)]),
    "others": np.arange(ROWS) + 1000,
}


@pytest.mark.parametrize("fault", WRONG_IDS)
def test_wrong_ids(refused, tmp_path, fault):
    first, second = tmp_path / "files" / "old.npz", tmp_path / "files" / "new.npz"
    np.savez(first, v=some_rows(ROWS), ids=np.arange(ROWS))
    np.savez(second, v=some_rows(ROWS), ids=WRONG_IDS[fault])
    message = refused(first, second, "--ids", "ids")
    assert str(second) in message


def test_missing_files_directories_and_members(refused, tmp_path):
    good, archive = tmp_path / "files" / "old.npy", tmp_path / "files" / "old.npz"
    np.save(good, some_rows(ROWS))
    np.savez(archive, a=some_rows(ROWS), b=some_rows(ROWS))
    for wrong in (tmp_path / "none.npy", tmp_path / "files", archive, f"{archive}::c", tmp_path / "files" / "old.docx"):
        assert str(wrong).partition("::")[0] in refused(good, wrong)
        assert str(wrong).partition("::")[0] in refused(wrong, good)
    assert refused(good, f"{archive}::b") is None
