"""Validation errors of pydantic in the words of a YAML file, each at its key."""

from __future__ import annotations

import itertools
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from clsim.utils.issues import Finding, KeyPath
from clsim.utils.text import describe, suggestion

_EXPECTED = {
    "int_type": "an integer",
    "int_parsing": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "float_parsing": "a number",
    "string_type": "a string",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a block of keys",
    "model_type": "a block of keys",
    "model_attributes_type": "a block of keys",
    "none_required": "null",
    "callable_type": "a function",
    "is_instance_of": "{class}",
}
_BOUNDS = {
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "less than {lt}",
    "finite_number": "a finite number",
    "string_too_short": "not empty",
    "too_short": "not empty",
}


def findings(error: ValidationError, raw: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield one finding for every value that does not fit; unknown keys are left to `unknown_keys`.

    Args:
        error: Error that pydantic raised.
        raw: Document that pydantic read.

    """
    by_path: dict[KeyPath, list[Any]] = {}
    for problem in map(_by_kind, error.errors(include_url=False)):
        by_path.setdefault(_in_document(problem["loc"], raw), []).append(problem)
    above = {path[:depth] for path in by_path for depth in range(len(path))}
    for path, problems in by_path.items():
        # A value of the right kind with an error inside: the other members of its union do not matter.
        deeper = path in above
        missing = [problem for problem in problems if problem["type"] == "missing"]
        for problem in missing:
            at = ".".join(map(str, path))
            yield Finding(path, f"the key '{problem['loc'][-1]}' is missing" + (f" in {at}" if at else ""))
        others = [problem for problem in problems if problem["type"] not in ("missing", "extra_forbidden")]
        if others and not deeper and not missing:
            yield _finding(path, others, _at(raw, path))


def unknown_keys(annotation: Any, value: Any, path: KeyPath = ()) -> Iterator[Finding]:
    """Yield a finding for every key that the schema does not have, with the keys it has.

    Args:
        annotation: Type of the value: a model, a container of models or a union of them.
        value: Value as the document has it.
        path: Path of the value.

    """
    leaves = _leaves(annotation)
    # In Python 3.10 list[int] is an instance of type as well.
    types_ = [leaf for leaf in leaves if isinstance(leaf, type) and get_origin(leaf) is None]
    models = [leaf for leaf in types_ if issubclass(leaf, BaseModel)]
    inner = {get_origin(leaf): get_args(leaf)[-1] for leaf in leaves if get_origin(leaf) in (dict, list)}
    if isinstance(value, Mapping) and models:
        # A block belongs to one of several kinds. If it has a wrong `kind`, any key may be right.
        mine = models if len(models) == 1 else [model for model in models if _is_kind(model, value)]
        for model, key in itertools.product(mine, value):
            if key in model.model_fields:
                yield from unknown_keys(model.model_fields[key].annotation, value[key], (*path, key))
            else:
                at = f" in {'.'.join(map(str, path))}" if path else ""
                yield Finding((*path, key), f"unknown key '{key}'{at}", suggestion(key, model.model_fields))
    elif isinstance(value, Mapping) and dict in inner:
        for key, item in value.items():
            yield from unknown_keys(inner[dict], item, (*path, key))
    elif isinstance(value, list) and list in inner:
        for index, item in enumerate(value):
            yield from unknown_keys(inner[list], item, (*path, index))


def broken_bound(problem: Any) -> str | None:
    """Return the bound that a problem of pydantic is about, such as 'at least 1'; None if it is about none."""
    words = _BOUNDS.get(problem["type"])
    return None if words is None else words.format(**_context(problem))


def _context(problem: Any) -> dict[str, Any]:
    """Return the values that a problem names, numbers in their shortest form."""
    return {key: f"{it:g}" if isinstance(it, float) else it for key, it in problem.get("ctx", {}).items()}


def _finding(path: KeyPath, problems: list[Any], value: Any) -> Finding:
    name = ".".join(map(str, path)) or "the file"
    expected: list[str] = []
    for problem in problems:
        kind = problem["type"]
        bound = broken_bound(problem)
        if bound is not None:
            return Finding(path, f"{name}: must be {bound}, got {describe(value)}")
        if kind == "literal_error":
            expected.append(problem["ctx"]["expected"].replace("'", ""))
        elif kind in _EXPECTED:
            expected.append(_EXPECTED[kind].format(**_context(problem)))
        else:
            return Finding(path, f"{name}: {problem['msg'].removeprefix('Value error, ')}")
    allowed = " or ".join(dict.fromkeys(expected))
    names = [name for text in expected for name in text.replace(" or ", ", ").split(", ")]
    fix = suggestion(value, names) if isinstance(value, str) and len(names) > 1 else None
    return Finding(path, f"{name}: expected {allowed}, got {describe(value)}", fix)


def _by_kind(problem: Any) -> Any:
    """Return the problem of a union without a member of that kind as a wrong or missing value of ``kind``."""
    if problem["type"] not in ("union_tag_invalid", "union_tag_not_found"):
        return problem
    context, loc = problem["ctx"], (*problem["loc"], problem["ctx"]["discriminator"].strip("'"))
    if problem["type"] == "union_tag_not_found":
        return {"type": "missing", "loc": loc}
    *others, last = context["expected_tags"].split(", ")
    return {"type": "literal_error", "loc": loc, "ctx": {"expected": f"{', '.join(others)} or {last}"}}


def _in_document(loc: tuple[int | str, ...], raw: Any) -> KeyPath:
    """Return the part of pydantic's location that the document has: no union tags, no missing keys."""
    path: list[int | str] = []
    for step in loc:
        in_list = isinstance(raw, list) and isinstance(step, int) and step < len(raw)
        if in_list or (isinstance(raw, Mapping) and step in raw):
            raw = raw[step]
            path.append(step)
    return tuple(path)


def _at(raw: Any, path: KeyPath) -> Any:
    for step in path:
        raw = raw[step]
    return raw


def _leaves(annotation: Any) -> list[Any]:
    """Return the members of a union, without their metadata."""
    if get_origin(annotation) is Annotated:
        return _leaves(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [leaf for member in get_args(annotation) for leaf in _leaves(member)]
    return [annotation]


def _is_kind(model: type[BaseModel], value: Mapping[str, Any]) -> bool:
    field = model.model_fields.get("kind")
    literal = field is not None and get_origin(field.annotation) is Literal
    return field is not None and literal and value.get("kind") in get_args(field.annotation)
