"""The required fields of audit.json, found through its schema, and files in which one is changed."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from helpers.audits import real_audit

from clsim.auditing import audit_schema

Place = tuple[str | int, ...]


def required_places(schema: dict[str, Any], content: Any, place: Place = ()) -> Iterator[Place]:
    """Yield the place of every required field in the content, the first of a list only."""
    if "$ref" in schema:
        schema = audit_schema()["$defs"][schema["$ref"].rpartition("/")[2]]
    for key in schema.get("required", ()):
        yield (*place, key)
    if isinstance(content, dict):
        for key, value in content.items():
            inner = schema.get("properties", {}).get(key, schema.get("additionalProperties", {}))
            yield from required_places(inner, value, (*place, key))
    if isinstance(content, list) and content and "items" in schema:
        yield from required_places(schema["items"], content[0], (*place, 0))


PLACES = list(required_places(audit_schema(), real_audit().to_dict()))


def changed(place: Place, change: str) -> dict[str, Any]:
    """Return the content of a real audit in which one value is missing or of another type."""
    content = copy.deepcopy(real_audit().to_dict())
    above: Any = content
    for step in place[:-1]:
        above = above[step]
    if change == "missing":
        del above[place[-1]]
    else:
        above[place[-1]] = {"a list": [[]], "true": True}[change]
    return content
