"""Labels and relevant items from files."""

import numpy as np
import pytest
from helpers.errors import refused
from helpers.vector_files import write_vecs

from clsim.data.vectors import read_labels, read_relevant
from clsim.utils.errors import UserError


@pytest.mark.parametrize(("name", "text"), [("l.txt", "b\na\nb\n"), ("l.csv", "b\na\nb"), ("l.txt", "7\n-3\n7\n")])
def test_labels_are_one_per_line(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read_labels(tmp_path / name, 3).tolist() == [1, 0, 1]


def test_labels_are_an_array(tmp_path):
    np.save(tmp_path / "l.npy", np.array([5, 5, 900], dtype=np.int32))
    assert read_labels(tmp_path / "l.npy", 3).tolist() == [0, 0, 1]


@pytest.mark.parametrize("values", [[1.0, 2.0, 3.0], [1, 2], [[1], [2], [3]], [True, False, True]])
def test_wrong_labels_are_refused(tmp_path, values):
    np.save(tmp_path / "l.npy", np.array(values))
    with refused(UserError, where=str(tmp_path / "l.npy")):
        read_labels(tmp_path / "l.npy", 3)


EXPECTED = [[2, 4], [], [0]]


def written(tmp_path, kind):
    pairs = [(0, 4), (2, 0), (0, 2)]
    path = tmp_path / f"r.{kind}"
    if kind in ("csv", "tsv"):
        mark = "," if kind == "csv" else "\t"
        path.write_text("\n".join(mark.join(map(str, line)) for line in [("query", "item"), *pairs]))
    elif kind == "npz":
        np.savez(path, query=np.array([pair[0] for pair in pairs]), item=np.array([pair[1] for pair in pairs]))
    elif kind == "parquet":
        pa = pytest.importorskip("pyarrow")
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"query": [0, 2, 0], "item": [4, 0, 2]}), path)
    else:
        rows = np.array([[4, 2], [-1, -1], [0, -1]], dtype=np.int32)
        write_vecs(path, rows) if kind == "ivecs" else np.save(path, rows)
    return path


@pytest.mark.parametrize("kind", ["csv", "tsv", "npz", "parquet", "ivecs", "npy"])
def test_relevant_items_in_every_form(tmp_path, kind):
    relevant = read_relevant(written(tmp_path, kind), queries=3, items=5)
    assert [relevant.of(query).tolist() for query in range(len(relevant))] == EXPECTED
    assert relevant.without.tolist() == [1]


def test_a_table_may_name_ids(tmp_path):
    (tmp_path / "r.csv").write_text("query,item,score\nq2,77,1\nq1,70,0\nq2,70,3\n")
    relevant = read_relevant(tmp_path / "r.csv", 2, 3, query_ids=np.array(["q1", "q2"]), item_ids=np.array([77, 5, 70]))
    assert [relevant.of(query).tolist() for query in (0, 1)] == [[2], [0, 2]]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("query,item\n0,5\n", ["item 5", "row 0"]),
        ("query,item\n0,0\n3,1\n", ["query 3", "row 1"]),
        ("query,item\n-1,1\n", ["query -1"]),
        ("query,item\n0,1\n2,2\n0,1\n", ["row 2", "item 1", "query 0"]),
        ("query,item\nx,1\n", ["query"]),
        ("query,thing\n0,1\n", ["relevant"]),
    ],
)
def test_wrong_tables_are_refused(tmp_path, text, names):
    (tmp_path / "r.csv").write_text(text)
    with refused(UserError, where=str(tmp_path / "r.csv"), names=names):
        read_relevant(tmp_path / "r.csv", queries=3, items=5)


def test_unknown_ids_are_refused(tmp_path):
    (tmp_path / "r.csv").write_text("query,item\nq1,70\nq9,70\n")
    with refused(UserError, names=["q9", "row 1"]):
        read_relevant(tmp_path / "r.csv", 2, 1, query_ids=np.array(["q1", "q2"]), item_ids=np.array([70]))
    with refused(UserError, names=["item"]):
        read_relevant(tmp_path / "r.csv", 2, 1, query_ids=np.array(["q1", "q9"]), item_ids=np.array(["70"]))


@pytest.mark.parametrize("rows", [[[0, 1]], [[0.0], [1.0], [2.0]], [[0], [9], [0]], [[0, -2], [1, 1], [0, 0]]])
def test_wrong_rows_of_items_are_refused(tmp_path, rows):
    np.save(tmp_path / "r.npy", np.array(rows))
    with refused(UserError, where=str(tmp_path / "r.npy")):
        read_relevant(tmp_path / "r.npy", queries=3, items=5)
