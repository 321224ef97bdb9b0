"""Inputs from files, arrays and tensors."""

import numpy as np
import pytest
import torch

from clsim.auditing.inputs import Sources, load_inputs, load_versions
from clsim.data.vectors import Relevant, VectorSet
from clsim.utils.errors import UserError


@pytest.fixture
def items():
    random = np.random.default_rng(0)
    return random.normal(size=(6, 3)).astype(np.float32), random.normal(size=(6, 4)).astype(np.float32)


def test_arrays_tensors_and_files_are_the_same_input(items, tmp_path):
    old, new = items
    np.save(tmp_path / "old.npy", old)
    np.savez(tmp_path / "new.npz", vectors=new)
    for sources in (
        Sources(old, new),
        Sources(torch.from_numpy(old), torch.from_numpy(new)),
        Sources(tmp_path / "old.npy", str(tmp_path / "new.npz")),
        Sources(VectorSet(old), VectorSet(new)),
    ):
        inputs, notes = load_inputs(sources)
        assert (inputs.old[np.arange(6)] == old).all() and (inputs.new[np.arange(6)] == new).all()
        assert notes == () and inputs.right == "neighbors by the new model"


def test_labels_follow_their_rows_when_rows_are_matched_and_dropped(items):
    old, new = items
    bad = old.copy()
    bad[1] = np.nan
    first = VectorSet(bad, np.arange(6), "old")
    second = VectorSet(new[::-1].copy(), np.arange(6)[::-1].copy(), "new")
    inputs, notes = load_inputs(Sources(first, second, labels=list("abcdef"), drop_unusable=True))
    assert inputs.labels.tolist() == [0, 2, 3, 4, 5]
    assert (inputs.new[np.arange(5)] == new[[0, 2, 3, 4, 5]]).all()
    assert any("1 of 6 pairs" in note for note in notes)


def test_labels_of_items_and_queries_share_their_numbers(items):
    old, new = items
    sources = Sources(
        old, new, (old[:2], new[:2]), labels=["b", "a", "a", "c", "c", "c"], query_labels=np.array(["c", "z"])
    )
    inputs, _ = load_inputs(sources)
    assert inputs.labels.tolist() == [1, 0, 0, 2, 2, 2] and inputs.query_labels.tolist() == [2, 3]


def test_relevant_items_follow_their_rows(items, tmp_path):
    old, new = items
    bad = old.copy()
    bad[0] = 0
    asked = (old[:2], new[:2])
    lists = [[0, 5], [3, 1]]
    inputs, _ = load_inputs(Sources(bad, new, asked, relevant=lists, drop_unusable=True))
    assert inputs.relevant.of(0).tolist() == [4] and inputs.relevant.of(1).tolist() == [0, 2]
    table = tmp_path / "relevant.csv"
    table.write_text("query,item\n0,0\n0,5\n1,3\n1,1\n")
    again, _ = load_inputs(Sources(bad, new, asked, relevant=table, drop_unusable=True))
    given, _ = load_inputs(
        Sources(bad, new, asked, relevant=Relevant(np.array([0, 2, 4]), np.array([0, 5, 1, 3])), drop_unusable=True)
    )
    for other in (again, given):
        assert other.relevant.items.tolist() == inputs.relevant.items.tolist()
    assert inputs.right == "relevant items"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"labels": ["a"] * 6, "relevant": [[0]] * 6}, "exclude each other"),
        ({"query_labels": ["a"] * 6}, "need queries"),
        ({"queries": True, "labels": ["a"] * 6}, "need both"),
        ({"labels": ["a"] * 5}, "one for each of 6 vectors, got 5"),
        ({"labels": [0.5] * 6}, "whole numbers or texts"),
        ({"relevant": [[0]] * 5}, "expected those of 6 queries, got 5"),
        ({"relevant": [[0]] * 5 + [[6]]}, "query 5 names a position outside 0 to 5"),
        ({"relevant": [[0]] * 5 + [[-1]]}, "query 5 names a position outside 0 to 5"),
        ({"queries": True, "labels": ["a"] * 6, "query_labels": [1, 2]}, "differ in type"),
        ({"ids": "ids"}, "an array has none"),
    ],
)
def test_what_does_not_fit_is_refused(items, given, message):
    old, new = items
    given = {**given, "queries": (old[:2], new[:2])} if given.get("queries") else given
    with pytest.raises(UserError, match=message):
        load_inputs(Sources(old, new, **given))


def test_queries_of_another_width_are_refused(items):
    old, new = items
    with pytest.raises(UserError, match="width 4 as in new, got 3") as caught:
        load_inputs(Sources(old, new, (old[:2], old[:2])))
    assert caught.value.where == "new queries"


def test_versions_keep_the_items_that_all_of_them_have():
    random = np.random.default_rng(0)
    rows = [random.normal(size=(count, 3)).astype(np.float32) for count in (6, 5, 5)]
    rows[2][1] = np.nan  # the item 4
    ids = [np.array(each) for each in ([0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1], [3, 4, 5, 0, 1])]
    given = [VectorSet(*each, f"v{place}") for place, each in enumerate(zip(rows, ids, strict=True))]
    versions, labels, relevant, notes = load_versions(given, labels=list("abcdef"), relevant=None, drop_unusable=True)
    assert [each.row_ids.tolist() for each in versions] == [[1, 3, 5]] * 3
    assert labels.tolist() == [1, 3, 5] and relevant is None and len(notes) >= 3
    assert (versions[2][np.arange(3)] == rows[2][[4, 0, 2]]).all()
    _, _, relevant, _ = load_versions(given, relevant=[[place] for place in range(6)], drop_unusable=True)
    assert relevant.items.tolist() == [0, 1, 2]
    with pytest.raises(UserError, match="NaN"):
        load_versions(given)
    with pytest.raises(UserError, match="exclude"):
        load_versions(given, labels=list("abcdef"), relevant=[[0]] * 6, drop_unusable=True)
