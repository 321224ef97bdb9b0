"""The JSON Schema of audit.json, checked by an independent validator where one is installed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from auditing.fields import PLACES, Place, changed
from helpers.audits import real_audit

from clsim.auditing import audit_schema
from clsim.auditing.schema import DIALECT, _schema


def test_it_names_its_dialect_and_describes_every_field() -> None:
    schema = audit_schema()
    assert schema["$schema"] == DIALECT
    assert schema["properties"]["format"]["const"] == 1
    for block in (schema, *schema["$defs"].values()):
        assert block["description"]
        assert [name for name, field in block["properties"].items() if not field.get("description")] == []


def test_the_contract_of_the_file_is_required() -> None:
    schema = audit_schema()
    assert {"format", "verdict", "arrangements", "inputs", "seed"} <= set(schema["required"])
    assert {"choice", "because"} <= set(schema["$defs"]["Verdict"]["required"])
    assert {"name", "bridge", "figures"} <= set(schema["$defs"]["Arrangement"]["required"])
    assert schema["$defs"]["Estimate"]["required"] == ["value", "low", "high"]
    choices = schema["$defs"]["Verdict"]["properties"]["choice"]["enum"]
    assert {"do_nothing", "swap", "bridge", "map_gallery", "cascade", "migrate", "reindex", "cannot_tell"} == set(
        choices
    )


def test_a_real_audit_is_valid() -> None:
    validators = pytest.importorskip("jsonschema")
    validators.Draft202012Validator.check_schema(audit_schema())
    validators.Draft202012Validator(audit_schema()).validate(real_audit().to_dict())


@pytest.mark.parametrize("change", ["missing", "a list", "true"])
@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
def test_no_required_field_can_be_changed(place: Place, change: str) -> None:
    validators = pytest.importorskip("jsonschema")
    assert not validators.Draft202012Validator(audit_schema()).is_valid(changed(place, change))


def test_there_are_such_fields_at_every_depth() -> None:
    assert {("format",), ("verdict", "choice"), ("arrangements", 0, "kept", "low")} <= set(PLACES)
    assert len(PLACES) > 40


def test_a_type_without_a_schema_is_refused() -> None:
    @dataclass
    class Known:
        bridge: str

    blocks: dict[str, Any] = {}
    assert _schema(tuple[Known, ...], blocks) == {"type": "array", "items": {"$ref": "#/$defs/Known"}}
    assert blocks["Known"]["required"] == ["bridge"]
    with pytest.raises(TypeError):
        _schema(complex, {})
