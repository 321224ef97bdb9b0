"""Type annotations, read from a syntax tree: for pydantic and for a writer of YAML.

Only int, float, str, bool, None, ``|``, Optional, Union, Literal, list, tuple and dict are understood.
Nothing is evaluated: an annotation of a foreign file is data.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from types import GenericAlias
from typing import Any, Literal, Union

PLAIN: Mapping[str, Any] = {"int": int, "float": float, "str": str, "bool": bool, "None": None}
_CONTAINERS: Mapping[str, type] = {
    "list": list, "List": list, "Sequence": list, "tuple": tuple, "Tuple": tuple, "dict": dict, "Dict": dict
}  # fmt: skip
_WORDS: Mapping[str, str] = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "None": "null",
}


def type_of(node: ast.expr) -> Any:
    """The type an annotation stands for, for ``pydantic.TypeAdapter``.

    Raises:
        ValueError: it uses something else than the known types.
    """
    name = _last_name(node)
    if name in PLAIN:
        return PLAIN[name]
    alternatives = _alternatives(node)
    if len(alternatives) > 1:
        return Union[tuple(type_of(alternative) for alternative in alternatives)]  # noqa: UP007
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return type_of(ast.parse(node.value, mode="eval").body)
    if isinstance(node, ast.Subscript) and _last_name(node.value) == "Literal":
        return Literal[tuple(ast.literal_eval(member) for member in _members(node))]
    if isinstance(node, ast.Subscript) and _last_name(node.value) in _CONTAINERS:
        container = _CONTAINERS[_last_name(node.value)]
        inner = tuple(... if _is_ellipsis(member) else type_of(member) for member in _members(node))
        if container is tuple or len(inner) == (2 if container is dict else 1):
            return GenericAlias(container, inner)
    known = "int, float, str, bool, None, |, Literal, list, tuple, dict"
    raise ValueError(f"{ast.unparse(node)} is not made of {known}")


def choices(node: ast.expr) -> list[str]:
    """The texts that an annotation allows by name: the members of its Literals."""
    literals = [alternative for alternative in _alternatives(node) if isinstance(alternative, ast.Subscript)]
    members = [m for literal in literals if _last_name(literal.value) == "Literal" for m in _members(literal)]
    return [str(value) for value in map(ast.literal_eval, members) if isinstance(value, str)]


def in_words(node: ast.expr) -> str:
    """An annotation for someone who writes YAML: ``str | None`` is 'text or null'."""
    words: list[str] = []
    for alternative in _alternatives(node):
        if isinstance(alternative, ast.Subscript) and _last_name(alternative.value) == "Literal":
            words += [str(ast.literal_eval(member)) for member in _members(alternative)]
        elif isinstance(alternative, ast.Subscript):
            word = "a block of keys" if _last_name(alternative.value).lower() == "dict" else "a list"
            words.append(f"{word} ({ast.unparse(alternative)})")
        else:
            words.append(_WORDS.get(_last_name(alternative), ast.unparse(alternative)))
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _alternatives(node: ast.expr) -> list[ast.expr]:
    """The members of a union, however it is written; one annotation otherwise."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return [*_alternatives(node.left), *_alternatives(node.right)]
    if isinstance(node, ast.Subscript) and _last_name(node.value) in ("Optional", "Union"):
        found = [inner for member in _members(node) for inner in _alternatives(member)]
        return found + ([ast.Constant(None)] if _last_name(node.value) == "Optional" else [])
    return [node]


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and node.value is None:
        return "None"
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _members(node: ast.Subscript) -> list[ast.expr]:
    return list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is Ellipsis
