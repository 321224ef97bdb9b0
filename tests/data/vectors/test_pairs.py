"""Rows of two models are matched and checked together."""

import numpy as np
import pytest
from helpers.errors import refused
from helpers.vector_files import some_rows

from clsim.data.vectors import VectorSet, check_pairs, match_by_id, pair_vectors
from clsim.utils.errors import UserError, UserErrors


def vectors(rows, ids=None, name="v"):
    return VectorSet(np.asarray(rows), None if ids is None else np.asarray(ids), name)


@pytest.mark.parametrize("kind", [int, str])
def test_rows_are_matched_by_id(kind):
    rows, random = some_rows(60, 4), np.random.default_rng(0)
    first, second = random.permutation(80)[:60], random.permutation(80)[:60]
    old, new = (vectors(rows, ids.astype(kind), name) for ids, name in ((first, "old"), (second, "new")))
    found_old, found_new, notes = match_by_id(old, new)
    common = [item for item in first if item in set(second)]
    assert found_old.row_ids.tolist() == found_new.row_ids.tolist() == [kind(item) for item in common]
    np.testing.assert_array_equal(found_new[:], rows[[second.tolist().index(item) for item in common]])
    assert len(notes) == 2
    assert f"{60 - len(common)} of 60" in notes[0]


@pytest.mark.parametrize(
    ("old_ids", "new_ids", "where", "names"),
    [
        (None, [1, 2, 3], "old", ["ids"]),
        ([1, 2, 3], None, "new", ["ids"]),
        ([1, 2, 3], ["1", "2", "3"], "new", ["texts"]),
        ([1, 2, 3], [4, 5, 6], "new", ["4", "1"]),
        ([1, 2, 1], [1, 2, 3], "old", ["1", "row 0", "row 2"]),
        (["x", "y", "z"], ["x", "z", "z"], "new", ["z", "row 1", "row 2"]),
    ],
)
def test_ids_that_do_not_match_are_refused(old_ids, new_ids, where, names):
    with refused(UserError, where=where, names=names):
        pair_vectors(vectors(np.eye(3), old_ids, "old"), vectors(np.eye(3), new_ids, "new"))


def test_sets_without_ids_have_equal_length():
    with refused(UserError, where="new", names=["3", "4", "old"]):
        pair_vectors(vectors(np.eye(3), name="old"), vectors(np.eye(4), name="new"))
    with refused(UserError, where="new", names=["3", "4"]):
        check_pairs(vectors(np.eye(3)), vectors(np.eye(4), name="new"))


@pytest.mark.parametrize(
    ("ids", "names"), [([1, 2], ["2", "3"]), ([[1, 2, 3]], ["(1, 3)"]), ([0.5, 1.0, 2.0], ["float"])]
)
def test_wrong_ids_are_refused(ids, names):
    with refused(UserError, where="v", names=names):
        vectors(np.eye(3), ids)


@pytest.fixture
def damaged():
    """Old rows 1 and 4 and new rows 4 and 6 cannot be used; row 8 of the new model repeats row 2."""
    old, new = some_rows(10, 4), some_rows(10, 6, seed=1)
    old[1, 2], old[4], new[4, 0], new[6, 1], new[8] = np.nan, 0, np.inf, np.nan, new[2]
    return vectors(old, name="old.npy"), vectors(new, name="new.npy")


def test_unusable_rows_are_refused_together(damaged):
    with refused(
        UserErrors, names=["old.npy: 1 of 10", "row 1", "are zero: row 4", "new.npy: 2 of 10", "row 4, row 6"]
    ):
        pair_vectors(*damaged)


def test_unusable_rows_are_dropped_from_both_on_request(damaged):
    pairs = pair_vectors(*damaged, drop_unusable=True)
    kept = [0, 2, 3, 5, 7, 8, 9]
    assert pairs.old.row_ids.tolist() == pairs.new.row_ids.tolist() == kept
    np.testing.assert_array_equal(pairs.new[:], damaged[1][np.array(kept)])
    assert any("3 of 10" in note for note in pairs.notes)
    assert any("row 8" in note and "row 2" in note for note in pairs.notes)


def test_nothing_is_left_if_all_rows_are_unusable():
    with refused(UserError, where="new"):
        pair_vectors(vectors(np.zeros((3, 2))), vectors(np.eye(3), name="new"), drop_unusable=True)


def test_mixed_normalization_is_a_note():
    rows = np.eye(30)
    rows[7] *= 9
    pairs = pair_vectors(vectors(rows, name="old"), vectors(np.eye(30)))
    assert len(pairs.notes) == 1
    assert "row 7" in pairs.notes[0]
    assert len(pairs.old) == 30


def test_clean_pairs_have_no_notes():
    assert pair_vectors(vectors(some_rows(20, 3)), vectors(some_rows(20, 5))).notes == ()
