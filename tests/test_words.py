"""Values and names as messages show them."""

from __future__ import annotations

import pytest

from clsim.words import describe, nearest, suggestion


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "nothing (null)"),
        (True, "true"),
        (5, "5"),
        ("5", "the text '5'"),
        ("a\nb", "the text 'a\\nb'"),
        ("x" * 100, "the text '" + "x" * 57 + "...'"),
        ([1, 2], "a list of 2"),
        ({}, "a block of keys"),
        (10**60, "1" + "0" * 36 + "..."),
    ],
)
def test_values_are_described(value: object, words: str) -> None:
    assert describe(value) == words


def test_the_nearest_name_is_suggested() -> None:
    assert nearest("Epoch", ["epochs", "shots"]) == "epochs"
    assert nearest("qqqq", ["epochs", "shots"]) is None
    assert suggestion("epoch", ["epochs", "shots"]) == "did you mean 'epochs'? allowed: epochs, shots"
    assert suggestion("qqqq", ["epochs"]) == "allowed: epochs"
    assert suggestion("epoch", []) is None
