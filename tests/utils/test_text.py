"""Values and names in messages."""

from __future__ import annotations

import pytest

from clsim.utils.text import clean, describe, nearest, short, suggestion


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "nothing (null)"),
        (True, "true"),
        (5, "5"),
        ("5", "the string '5'"),
        ("a\nb\u00e9", "the string 'a\\nb\u00e9'"),
        ("x" * 100, "the string '" + "x" * 57 + "...'"),
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


def test_clean_text_has_no_control_character_and_stays_legible() -> None:
    assert clean("a\x1b[31mb\nc é [red]") == r"a\x1b[31mb\nc é [red]"
    assert clean("\u202eevil\u2066\x9b\udcff\x00") == r"\u202eevil\u2066\x9b\udcff\x00"
    assert clean(clean("\t")) == clean("\t") == r"\t"


def test_short_text_is_cut_after_it_is_clean() -> None:
    assert short("\x1b" * 10, 11) == r"\x1b\x1b" + "..."
    assert short("abc", 3) == "abc"
