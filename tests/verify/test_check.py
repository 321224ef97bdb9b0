import pytest

from clsim.verify.check import compared, compared_hash, first_difference


@pytest.mark.parametrize(
    ("found", "computed", "said"),
    [
        ({"a": [1, {"b": 0.5}]}, {"a": [1, {"b": 0.25}]}, "a[1].b: 0.5 in the file, 0.25 computed"),
        ([1, 2], [1], "2 entries in the file, 1 computed"),
        ({"a": 1}, {}, "a: only in the file"),
        ({}, {"a": None}, "a: not in the file"),
        ({"a": None}, {"a": 0.0}, "a: null in the file, 0.0 computed"),
        ({"a": 1}, {"a": True}, "a: 1 in the file, True computed"),
        ({"a": "x" * 99}, {"a": []}, f"a: {'x' * 56:'>57}... in the file, [] computed"),
        (10**12, 10**12 + 1, "1000000000000 in the file, 1000000000001 computed"),
        (0.5, 0.5000001, "0.5 in the file, 0.5000001 computed"),
    ],
)
def test_the_first_difference_is_told_with_its_place(found, computed, said):
    assert first_difference(found, computed) == said


@pytest.mark.parametrize(
    ("found", "computed"), [(0.1 + 0.2, 0.3), (1, 1.0), ([], []), ({"a": None}, {"a": None}), ("x", "x"), (True, True)]
)
def test_what_is_the_same_but_for_the_rounding_of_sums(found, computed):
    assert first_difference(found, computed) is None


def test_exactly_is_to_the_last_digit():
    assert first_difference(0.1 + 0.2, 0.3, close=0.0) is not None
    assert first_difference(0.3, 0.3, close=0.0) is None
    assert compared("x", 0.3, 0.3, detail="exactly").detail == "exactly"


def test_hashes_are_told_short():
    assert compared_hash("x", None, "ab" * 32).verdict == "not checked"
    assert compared_hash("x", "ab" * 32, "ab" * 32).verdict == "agrees"
    assert compared_hash("x", "cd" * 32, "ab" * 32).detail == "cdcdcdcdcdcd in the manifest, abababababab here"
