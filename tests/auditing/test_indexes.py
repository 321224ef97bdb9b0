"""Rows on approximate indexes: recall, states, notes, and the same rows for the same seed."""

import importlib.util
import json

import numpy as np
import pytest

from clsim.auditing import AuditSettings, audit_vectors, indexes
from clsim.auditing.builders import FAISS_INDEXES, one_faiss_thread
from clsim.auditing.compact import unit
from clsim.auditing.fitting import fit_candidates
from clsim.auditing.indexes import Space, index_rows
from clsim.auditing.material import Inputs, split_inputs
from clsim.data.vectors import VectorSet

SETTINGS = AuditSettings(k=5, bridges=("procrustes",), index_items=300, resamples=100)
TIMES = ("ms_p50", "ms_p99", "build_seconds")


@pytest.fixture(scope="module")
def pairs():
    """Return 1,200 items by two models, the second a noisy rotation of the first."""
    random = np.random.default_rng(0)
    old = random.normal(size=(1200, 16)) @ np.diag(np.linspace(2, 0.3, 16))
    turn = np.linalg.qr(random.normal(size=(16, 16)))[0]
    return old.astype(np.float32), (old @ turn + 0.05 * random.normal(size=old.shape)).astype(np.float32)


def measured(old, new, settings=SETTINGS):
    material = split_inputs(Inputs(VectorSet(old), VectorSet(new)), settings)
    fitted = fit_candidates(material, settings, lambda line: None)
    return index_rows(material.test, fitted, settings), material, fitted


@pytest.fixture(scope="module")
def found(pairs):
    pytest.importorskip("faiss")
    return measured(*pairs)


def one(rows, index, vectors, state):
    (row,) = (row for row in rows if (row["index"], row["vectors"], row["state"]) == (index, vectors, state))
    return row


def test_rows_are_plain_and_have_the_same_columns(found):
    rows = found[0].rows
    assert json.loads(json.dumps(rows)) == list(rows)
    assert len({tuple(row) for row in rows}) == 1
    assert {(row["queries"], row["items"]) for row in rows} == {(96, 300)}


@pytest.mark.parametrize("index", FAISS_INDEXES)
def test_each_index_has_its_states(found, index):
    states = [(row["vectors"], row["state"]) for row in found[0].rows if row["index"] == index]
    added = [("deleted and added",)] if index == "hnsw" else []
    after = [("rewritten in place",), *added, ("rebuilt",)]
    mapped, new = ([(name, *state) for state in after] for name in ("mapped by procrustes", "new"))
    assert states == [("old", "before"), *mapped, *new]


def test_recalls_are_fractions_within_their_intervals(found):
    for row in found[0].rows:
        recall = row["recall@5"]
        assert 0 <= recall["low"] <= recall["value"] <= recall["high"] <= 1


def test_an_exact_index_finds_all(found):
    for row in found[0].rows:
        if row["index"] == "flat":
            assert row["recall@5"] == {"value": 1.0, "low": 1.0, "high": 1.0}


@pytest.mark.parametrize("index", ["pq", "hnsw", "ivf", "int8", "binary"])
def test_recalls_equal_those_of_overlapping_lists(found, index):
    rows, material, fitted = found[0].rows, *found[1:]
    part, random = material.test, np.random.default_rng(SETTINGS.seed)
    chosen = np.sort(random.permutation(len(part.old))[:300])
    asked = np.sort(random.permutation(len(part.query_old))[:1000])
    old = unit(part.old[chosen])
    mapped, query = (
        unit(fitted.best("gallery").transform(part.old[chosen]).numpy()),
        unit(part.query_new[asked].numpy()),
    )
    with one_faiss_thread():
        first = FAISS_INDEXES[index](old, SETTINGS.seed)
        rewritten = first.rewrites()["rewritten in place"](mapped).search(query, 5)
    exact = np.argsort(-(query.astype(np.float64) @ mapped.T.astype(np.float64)), axis=1)[:, :5]
    overlap = np.mean([len(set(a) & set(b)) / 5 for a, b in zip(rewritten, exact, strict=True)])
    row = one(rows, index, "mapped by procrustes", "rewritten in place")
    assert row["recall@5"]["value"] == pytest.approx(overlap, abs=1e-9)


def test_the_same_seed_gives_the_same_rows(pairs, found):
    def untimed(rows):
        return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]

    assert untimed(measured(*pairs)[0].rows) == untimed(found[0].rows)


def test_other_widths_cannot_be_rewritten(pairs):
    pytest.importorskip("faiss")
    rows, notes = measured(pairs[0][:, :12], pairs[1])[0]
    assert {row["state"] for row in rows if row["index"] != "compact"} == {"before", "rebuilt"}
    assert "widths 12 and 16" in notes[0]


def test_without_a_bridge_of_the_gallery_there_are_no_mapped_vectors(pairs):
    rows = measured(*pairs, AuditSettings(bridges=("identity",), index_items=300, resamples=100))[0].rows
    assert {row["vectors"] for row in rows} <= {"old", "new"}


def test_without_faiss_a_note_says_how_to_get_it(pairs, monkeypatch):
    monkeypatch.setattr(indexes, "find_spec", lambda name: None)
    rows, notes = measured(*pairs)[0]
    assert {row["index"] for row in rows} == {"compact"}
    assert "pip install 'clsim[retrieval]'" in notes[0]


def test_usearch_is_a_second_hnsw(found):
    there = importlib.util.find_spec("usearch") is not None
    states = [row["state"] for row in found[0].rows if row["index"] == "hnsw_usearch"]
    assert states == (["before"] + ["deleted and added", "rebuilt"] * 2 if there else [])


def test_few_items_have_a_note(pairs):
    rows, notes = measured(*pairs, AuditSettings(bridges=("procrustes",), index_items=255, resamples=100))[0]
    assert {row["index"] for row in rows} == {"compact"}
    assert len(notes) == 1


def test_no_items_no_rows(pairs):
    assert measured(*pairs, AuditSettings(bridges=("procrustes",), index_items=0))[0] == ((), ())


def test_equal_items_count_alike():
    rows = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    space = Space.of("", rows, np.array([[2.0, 0.1]]), k=1)
    assert space.recall(np.array([[0]])).tolist() == [1.0]
    assert space.recall(np.array([[1]])).tolist() == [1.0]
    assert space.recall(np.array([[2]])).tolist() == [0.0]
    assert space.recall(np.array([[-1]])).tolist() == [0.0]


def test_an_audit_has_the_rows_and_their_time(pairs):
    audit = audit_vectors(Inputs(*map(VectorSet, pairs)), SETTINGS)
    assert "indexes" in audit.seconds
    assert {row["index"] for row in audit.indexes} >= {"compact"}
