"""Annotations as types and as words."""

from __future__ import annotations

import ast
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, MinLen

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
        ("Annotated[int, Ge(1)]", Annotated[int, Ge(1)]),
        ("Annotated[tuple[int, ...], annotated_types.MinLen(1)] | None", Annotated[tuple[int, ...], MinLen(1)] | None),
    ],
)
def test_known_annotations_are_their_types(text: str, expected: Any) -> None:
    assert type_of(node(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Tensor",
        "Any",
        "os.system('true')",
        "list",
        "dict[str]",
        "int + str",
        "5",
        "Literal[x]",
        "set[int]",
        "Annotated[int]",
        "Annotated[int, Ge]",
        "Annotated[int, Ge(least)]",
        "Annotated[int, Ge('a')]",
        "Annotated[int, Ge(1, 2)]",
        "Annotated[int, Field(default_factory=int)]",
        "Annotated[int, print(1)]",
    ],
)
def test_unknown_annotations_are_refused(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        type_of(node(text))
    assert str(caught.value)


def test_annotations_in_words() -> None:
    assert in_words(int | None) == "an integer or null"
    assert in_words(Literal["a", "b", "c"]) == "a, b or c"
    assert in_words(list[int] | None) == "a list (list[int]) or null"
    assert in_words(dict[str, int]) == "a block of keys (dict[str, int])"
    assert in_words(Annotated[tuple[Annotated[int, Ge(1)] | None, ...], MinLen(1)]) == "a list (tuple[int | None, ...])"
    assert choices(Literal["a", "b"] | None) == ["a", "b"]
    assert choices(str | list[int]) == []
