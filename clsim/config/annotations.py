"""Types of settings, read from a syntax tree: nothing of a strategy file is executed.

An annotation may combine ``int``, ``float``, ``str``, ``bool``, ``None``, ``list``, ``tuple``, ``dict`` and ``Literal``
by ``|``, ``Optional`` or ``Union``. Bounds are declared: ``Annotated[int, Ge(1)]`` or ``Annotated[int, Field(ge=1)]``.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from types import GenericAlias, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import Field

PLAIN: Mapping[str, Any] = {"int": int, "float": float, "str": str, "bool": bool, "None": None}
MODELS = ("FrozenBackbone",)
"""Types of loaded models: a scenario names them by strings, which stand in ``models:`` or are known to the loader."""

_CONTAINERS: Mapping[str, type] = {
    "list": list, "List": list, "Sequence": list, "tuple": tuple, "Tuple": tuple, "dict": dict, "Dict": dict
}  # fmt: skip
_BOUNDS: Mapping[str, Callable[..., Any]] = {
    "Ge": Ge, "Gt": Gt, "Le": Le, "Lt": Lt, "MinLen": MinLen, "MaxLen": MaxLen, "Field": Field
}  # fmt: skip
_KEYWORDS = {"ge", "gt", "le", "lt", "min_length", "max_length"}
_WORDS: Mapping[Any, str] = {int: "an integer", float: "a number", str: "a string", bool: "true or false"}


def type_of(node: ast.expr) -> Any:
    """Return the type that an annotation stands for.

    Raises:
        ValueError: The annotation uses anything but the known types and bounds.

    Example:
        >>> type_of(ast.parse("list[int] | None", mode="eval").body)
        typing.Optional[list[int]]

    """
    name = _last_name(node)
    if name in PLAIN:
        return PLAIN[name]
    if name in MODELS:
        return str
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return type_of(ast.parse(node.value, mode="eval").body)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return Union[type_of(node.left), type_of(node.right)]  # noqa: UP007
    if isinstance(node, ast.Subscript):
        return _subscript(node, _last_name(node.value), _members(node))
    raise _unknown(node)


def names_model(node: ast.expr) -> bool:
    """Return whether an annotation contains the type of a loaded model.

    Example:
        >>> names_model(ast.parse("FrozenBackbone | str", mode="eval").body)
        True

    """
    return any(isinstance(each, ast.expr) and _last_name(each) in MODELS for each in ast.walk(node))


def _subscript(node: ast.Subscript, name: str, members: list[ast.expr]) -> Any:
    """Return a generic type with its arguments."""
    if name == "Literal":
        return Literal[tuple(ast.literal_eval(member) for member in members)]
    if name == "Annotated" and len(members) > 1:
        bounded = (type_of(members[0]), *map(_bound, members[1:]))
        return Annotated[bounded]
    if name == "Optional" and len(members) == 1:
        return Union[type_of(members[0]), None]  # noqa: UP007
    if name == "Union":
        return Union[tuple(map(type_of, members))]  # noqa: UP007
    container = _CONTAINERS.get(name)
    if container is tuple or (container and len(members) == (2 if container is dict else 1)):
        return GenericAlias(container, tuple(... if _is_ellipsis(member) else type_of(member) for member in members))
    raise _unknown(node)


def _bound(node: ast.expr) -> Any:
    """Return a bound such as ``Ge(1)`` or ``Field(ge=1)``, whose arguments must be numbers."""
    if isinstance(node, ast.Call) and _last_name(node.func) in _BOUNDS and {k.arg for k in node.keywords} <= _KEYWORDS:
        arguments = [ast.literal_eval(argument) for argument in node.args]
        keywords = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in node.keywords}
        if all(type(value) in (int, float) for value in (*arguments, *keywords.values())):
            try:
                return _BOUNDS[_last_name(node.func)](*arguments, **keywords)
            except TypeError as error:
                raise ValueError(f"{ast.unparse(node)}: {error}") from error
    raise ValueError(f"{ast.unparse(node)} is not a bound; write one of {', '.join(_BOUNDS)} with numbers")


def _unknown(node: ast.expr) -> ValueError:
    known = [*PLAIN, "|", "Literal", "list", "tuple", "dict", "Annotated"]
    return ValueError(f"{ast.unparse(node)} is not made of {', '.join(known)}")


def in_words(type_: Any) -> str:
    """Return a type in the words of a YAML file: ``str | None`` is 'a string or null'.

    Example:
        >>> in_words(int | None), in_words(Literal["a", "b", "c"])
        ('an integer or null', 'a, b or c')

    """
    words: list[str] = []
    for member in alternatives(type_):
        origin = get_origin(member)
        if origin is Literal:
            words += map(str, get_args(member))
        elif origin is None:
            words.append("null" if member in (None, type(None)) else _WORDS[member])
        else:
            words.append(f"{'a block of keys' if origin is dict else 'a list'} ({_without_bounds(member)})")
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def choices(type_: Any) -> list[str]:
    """Return the texts that a type allows by name: the members of its ``Literal`` types."""
    literals = [member for member in alternatives(type_) if get_origin(member) is Literal]
    return [value for literal in literals for value in get_args(literal) if isinstance(value, str)]


def alternatives(type_: Any) -> list[Any]:
    """Return the members of a union, or the type itself, without their bounds."""
    origin = get_origin(type_)
    if origin is Annotated:
        return alternatives(get_args(type_)[0])
    if origin in (Union, UnionType):
        return [inner for member in get_args(type_) for inner in alternatives(member)]
    return [type_]


def _without_bounds(type_: Any) -> str:
    """Return a type as Python writes it, without the bounds in it."""
    (bare, *others) = alternatives(type_)
    if others:
        return " | ".join(map(_without_bounds, (bare, *others)))
    if get_origin(bare) in (list, tuple, dict):
        members = ["..." if member is ... else _without_bounds(member) for member in get_args(bare)]
        return f"{get_origin(bare).__name__}[{', '.join(members)}]"
    return "None" if bare is type(None) else getattr(bare, "__name__", str(bare).replace("typing.", ""))


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and node.value is None:
        return "None"
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _members(node: ast.Subscript) -> list[ast.expr]:
    return list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is Ellipsis
