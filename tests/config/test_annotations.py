"""Annotations as types and as words."""

from __future__ import annotations

import ast
from typing import Any, Literal

import pytest

from clsim.config.annotations import choices, in_words, type_of


def node(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("int", int),
        ("None", None),
        ("'float'", float),
        ("str | None", str | None),
        ("Optional[int]", int | None),
        ("typing.Union[int, str]", int | str),
        ("Literal['a', -1, None]", Literal["a", -1, None]),
        ("list[int]", list[int]),
        ("tuple[int, ...]", tuple[int, ...]),
        ("tuple[int, str]", tuple[int, str]),
        ("dict[str, float | None]", dict[str, float | None]),
        ("Sequence[bool]", list[bool]),
    ],
)
def test_known_annotations_are_their_types(text: str, expected: Any) -> None:
    assert type_of(node(text)) == expected


@pytest.mark.parametrize(
    "text", ["Tensor", "Any", "os.system('true')", "list", "dict[str]", "int + str", "5", "Literal[x]", "set[int]"]
)
def test_unknown_annotations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        type_of(node(text))


def test_annotations_in_words() -> None:
    assert in_words(node("int | None")) == "a whole number or null"
    assert in_words(node("Literal['a', 'b', 'c']")) == "a, b or c"
    assert in_words(node("Optional[list[int]]")) == "a list (list[int]) or null"
    assert in_words(node("dict[str, int]")) == "a block of keys (dict[str, int])"
    assert choices(node("Literal['a', 'b'] | None")) == ["a", "b"]
    assert choices(node("str | list[int]")) == []
