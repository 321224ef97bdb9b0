"""JSON Schema of ``audit.json``, made from the record's own types and docstrings."""

from __future__ import annotations

import inspect
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from clsim.auditing.record import FORMAT, Audit

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCALARS = {float: "number", int: "integer", str: "string", bool: "boolean", type(None): "null"}
Schema = dict[str, Any]


def audit_schema() -> Schema:
    """Return the JSON Schema (draft 2020-12) of ``audit.json``.

    A field that has a default may be missing; other keys are allowed, since later versions add some.

    Example:
        >>> schema = audit_schema()
        >>> schema["properties"]["verdict"]["$ref"], schema["required"][:3]
        ('#/$defs/Verdict', ['format', 'verdict', 'primary'])

    """
    blocks: dict[str, Schema] = {}
    _reference(Audit, blocks)
    root = blocks.pop("Audit")
    version = {"const": FORMAT, "description": "Version of this format."}
    root["properties"] = {"format": version, **root["properties"]}
    root["required"] = ["format", *root["required"]]
    return {"$schema": DIALECT, "title": "clsim audit", **root, "$defs": blocks}


def _reference(kind: type, blocks: dict[str, Schema]) -> Schema:
    """Return a reference to the schema of a record, which is added to the blocks."""
    if kind.__name__ not in blocks:
        blocks[kind.__name__] = {}  # before its fields, which may refer to it
        blocks[kind.__name__] |= _block(kind, blocks)
    return {"$ref": f"#/$defs/{kind.__name__}"}


def _block(kind: type, blocks: dict[str, Schema]) -> Schema:
    from docstring_parser.google import parse  # slow to import

    text = parse(inspect.getdoc(kind) or "")
    about = {each.arg_name: " ".join((each.description or "").split()) for each in text.params}
    defaults = _defaults(kind)
    properties = {}
    for name, annotation in get_type_hints(kind).items():
        properties[name] = _schema(annotation, blocks)
        if about.get(name):
            properties[name]["description"] = about[name]
        if name in defaults:
            properties[name]["default"] = defaults[name]
    required = [name for name in properties if name not in defaults]
    description = (text.short_description or "").rstrip(".")
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        **({"required": required} if required else {}),
    }


def _defaults(kind: type) -> dict[str, Any]:
    """Return the defaults of a record's fields as JSON has them."""
    if not is_dataclass(kind):
        return dict(getattr(kind, "_field_defaults", {}))
    found = {}
    for field in fields(kind):
        value = field.default
        if field.default_factory is not MISSING:
            value = field.default_factory()
        if value is not MISSING:
            found[field.name] = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def _schema(annotation: Any, blocks: dict[str, Schema]) -> Schema:
    origin, parts = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        return {}
    if annotation in SCALARS:
        return {"type": SCALARS[annotation]}
    if origin is Literal:
        return {"enum": list(parts)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(part, blocks) for part in parts]}
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        content = _schema(parts[1], blocks)
        return {"type": "object", **({"additionalProperties": content} if content else {})}
    if inspect.isclass(origin) and issubclass(origin, Sequence):
        return {"type": "array", "items": _schema(parts[0], blocks)}
    if inspect.isclass(annotation) and (is_dataclass(annotation) or hasattr(annotation, "_fields")):
        return _reference(annotation, blocks)
    raise TypeError(f"no JSON Schema for {annotation}")
