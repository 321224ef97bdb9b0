"""Every format gives back the rows that were written."""

import numpy as np
import pytest
from helpers.errors import refused
from helpers.vector_files import FORMATS, some_rows, write_npy

from clsim.data.vectors import VectorSet, list_arrays, open_vectors, read_array
from clsim.utils.errors import UserError

CASES = [(name, dtype) for name, (_, _, dtypes, _) in FORMATS.items() for dtype in dtypes]


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_reads_what_was_written(tmp_path, name, dtype):
    file, write, _, package = FORMATS[name]
    if package:
        pytest.importorskip(package)
    rows, path = some_rows(dtype=dtype), tmp_path / file
    write(path, rows)
    vectors = open_vectors(path)
    assert vectors.shape == (11, 6)
    assert vectors.dtype == dtype
    assert isinstance(vectors.array, np.memmap)
    expected = rows.astype("float64" if dtype == "float64" else "float32")
    assert vectors[:].dtype == expected.dtype
    np.testing.assert_array_equal(vectors[:], expected)
    np.testing.assert_array_equal(vectors[np.array([7, 2])], expected[[7, 2]])
    np.testing.assert_array_equal(np.concatenate([part for _, part in vectors.chunks(4)]), expected)
    assert next(entry.shape for entry in list_arrays(path).values()) == (11, 6)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed, None])
def test_reads_columns_first_and_either_byte_order(tmp_path, order, endian, save):
    rows = some_rows()
    stored = np.array(rows, dtype=f"{endian}f4", order=order)
    path = tmp_path / ("v.npz" if save else "v.npy")
    save(path, v=stored) if save else np.save(path, stored)
    vectors = open_vectors(path)
    assert vectors.dtype == "float32"
    np.testing.assert_array_equal(vectors[3:8], rows[3:8])


def test_reads_bfloat16(tmp_path):
    import torch
    from safetensors.torch import save_file

    rows = torch.randn(9, 4, generator=torch.Generator().manual_seed(0)).bfloat16()
    save_file({"v": rows}, tmp_path / "v.safetensors")
    np.testing.assert_array_equal(open_vectors(tmp_path / "v.safetensors")[:], rows.float().numpy())


def test_one_of_several_members_is_named(tmp_path):
    path = tmp_path / "v.npz"
    np.savez(path, old=some_rows(5, 3), new=some_rows(5, 4), ids=np.arange(5), bad=np.ones((2, 2, 2)))
    assert open_vectors(f"{path}::new", ids="ids").shape == (5, 4)
    with refused(UserError, where=str(path), names=["old", "new", "::"]):
        open_vectors(path)
    with refused(UserError, where=str(path), names=["nev", "new"]):
        open_vectors(f"{path}::nev")
    with refused(UserError, where=str(path), names=["ids", "(5,)"]):
        open_vectors(f"{path}::ids")
    np.testing.assert_array_equal(read_array(path, 1), np.arange(5))


def test_a_run_has_versions_and_labels(tmp_path):
    import torch

    from clsim.metrics import FeatureFiles

    files = FeatureFiles(tmp_path / "run" / "features")
    files.save_labels(torch.tensor([3, 1]), torch.tensor([1, 3, 3]))
    for version in (0, 1):
        files.save(version, query=torch.randn(2, 4).half(), gallery=torch.randn(3, 4).half())
    run = tmp_path / "run"
    stored = files.load(1)
    np.testing.assert_array_equal(open_vectors(f"{run}::version1")[:], stored.gallery.float().numpy())
    np.testing.assert_array_equal(open_vectors(f"{run / 'features'}::version1/query")[:], stored.query.float().numpy())
    assert read_array(f"{run}::labels", 1).tolist() == [1, 3, 3]
    assert read_array(f"{run}::labels/query", 1).tolist() == [3, 1]
    with refused(UserError, where=str(run), names=["version0", "version1"]):
        open_vectors(run)
    with refused(UserError, where=str(tmp_path)):
        open_vectors(tmp_path)


def test_ids_are_a_member_or_a_file(tmp_path):
    np.savez(tmp_path / "v.npz", v=some_rows(3), names=np.array(["x", "y", "z"]))
    write_npy(tmp_path / "v.npy", some_rows(3))
    (tmp_path / "ids.txt").write_text("x\ny\nz\n")
    (tmp_path / "ids.csv").write_text("name,number\nx,7\ny,8\nz,9\n")
    assert open_vectors(tmp_path / "v.npz", ids="names").row_ids.tolist() == ["x", "y", "z"]
    assert open_vectors(tmp_path / "v.npy", ids=tmp_path / "ids.txt").row_ids.tolist() == ["x", "y", "z"]
    assert open_vectors(tmp_path / "v.npy", ids=f"{tmp_path / 'ids.csv'}::number").row_ids.tolist() == [7, 8, 9]
    with refused(UserError, names=["names"]):
        open_vectors(tmp_path / "v.npy", ids="names")


def test_parquet_and_hdf5_have_ids_beside_the_vectors(tmp_path):
    pa, h5py = pytest.importorskip("pyarrow"), pytest.importorskip("h5py")
    import pyarrow.parquet as pq

    rows, names = some_rows(5, 2), ["a", "b", "c", "d", "e"]
    pq.write_table(pa.table({"v": list(rows), "id": names, "n": range(5)}), tmp_path / "v.parquet")
    with h5py.File(tmp_path / "v.hdf5", "w") as file:
        file["v"], file["group/id"] = rows, names
    assert open_vectors(tmp_path / "v.parquet", ids="id").row_ids.tolist() == names
    assert open_vectors(tmp_path / "v.parquet", ids="n").row_ids.tolist() == [0, 1, 2, 3, 4]
    assert open_vectors(tmp_path / "v.hdf5", ids="group/id").row_ids.tolist() == names


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([[1.0, 2.0], [3.0]], ["row 1", "1 numbers"]),
        ([[1.0, 2.0], None], ["row 1"]),
        ([[1.0, 2.0], [3.0, None]], ["row 1"]),
    ],
)
@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_columns_with_gaps_are_refused_with_their_row(tmp_path, suffix, values, names):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    path, table = tmp_path / f"v{suffix}", pa.table({"v": pa.array(values, pa.list_(pa.float32()))})
    if suffix == ".parquet":
        pq.write_table(table, path)
    else:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    with refused(UserError, where=str(path), names=names):
        open_vectors(path)


def test_rows_of_unequal_length_are_refused_with_their_row(tmp_path):
    path = tmp_path / "v.fvecs"
    from helpers.vector_files import write_vecs

    write_vecs(path, [np.ones(3, dtype="<f4"), np.ones(3, dtype="<f4"), np.ones(2, dtype="<f4")])
    with refused(UserError, where=str(path)):
        open_vectors(path)
    write_vecs(path, [np.ones(3, "<f4"), np.ones(1, "<f4"), np.ones(3, "<f4"), np.ones(1, "<f4")] * 2)
    with refused(UserError, where=str(path), names=["row 1", "1 numbers"]):
        open_vectors(path)


@pytest.mark.parametrize("name", ["v.bin", "v", "missing.npy", "folder"])
def test_refuses_what_is_no_file_of_vectors(tmp_path, name):
    for file in ("v.bin", "v"):
        (tmp_path / file).write_bytes(b"1234")
    (tmp_path / "folder").mkdir()
    with refused(UserError, where=str(tmp_path / name)):
        open_vectors(tmp_path / name)


@pytest.mark.parametrize("dtype", ["int32", "int64", "bool", "complex64", "U3"])
def test_refuses_numbers_that_are_no_vectors(tmp_path, dtype):
    np.save(tmp_path / "v.npy", np.ones((3, 2)).astype(dtype))
    with refused(UserError, where=str(tmp_path / "v.npy"), names=["float32"]):
        open_vectors(tmp_path / "v.npy")


def test_a_set_shows_any_rows_without_reading_others(tmp_path):
    np.save(tmp_path / "v.npy", some_rows(20, 3))
    vectors = open_vectors(tmp_path / "v.npy")
    view = vectors.take(np.array([9, 3, 5])).take(np.array([2, 0]))
    np.testing.assert_array_equal(view[:], some_rows(20, 3)[[5, 9]])
    assert (view.row_ids.tolist(), view.row(1), view.shape) == ([5, 9], "row 9", (2, 3))
    assert view.array is vectors.array


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    import sys

    (tmp_path / "v.hdf5").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with refused(UserError, where="v.hdf5", names=["h5py", "clsim[audit]"]):
        open_vectors(tmp_path / "v.hdf5")


def test_bridges_read_sets_of_vectors(tmp_path):
    from clsim.models import fit_bridges

    rows = some_rows(50, 4)
    np.save(tmp_path / "old.npy", rows)
    np.save(tmp_path / "new.npy", rows[:, ::-1])
    old, new = (open_vectors(tmp_path / f"{name}.npy") for name in ("old", "new"))
    assert isinstance(old, VectorSet)
    found = fit_bridges(old, new, ["identity", "ridge"])
    assert found.best.bridge.name == "ridge"
    np.testing.assert_allclose(found.best.bridge.transform(new).numpy(), rows, rtol=1e-3)
