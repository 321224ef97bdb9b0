"""Reading audit.json back: equal to what was written, or refused with the place of the first problem."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from auditing.fields import PLACES, Place, changed
from helpers.audits import real_audit
from helpers.errors import refused

from clsim.auditing import Audit, read_audit
from clsim.utils.errors import UserError, UserErrors


def test_an_audit_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = real_audit().save(tmp_path)
    for given in (tmp_path, path, str(tmp_path)):
        found = read_audit(given)
        assert found.to_dict() == real_audit().to_dict()
        assert found.arrangements == real_audit().arrangements
        assert found.verdict == real_audit().verdict
    assert found.chosen == real_audit().chosen


def test_what_is_not_there(tmp_path: Path) -> None:
    with refused(where=str(tmp_path / "audit.json")):
        read_audit(tmp_path)
    with refused(where=str(tmp_path / "a" / "audit.json")):
        read_audit(tmp_path / "a")
    with refused(where=str(tmp_path / "b.json")):
        read_audit(tmp_path / "b.json")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", "null", "{}", '{"format": 2}', '{"format": true}', "\x00", "[" * 10**5]
)
def test_what_is_no_audit(tmp_path: Path, text: str) -> None:
    (tmp_path / "audit.json").write_text(text)
    with refused(where=str(tmp_path / "audit.json")):
        read_audit(tmp_path)


@pytest.mark.parametrize("change", ["missing", "a list", "true"])
@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
def test_a_changed_field_is_named(tmp_path: Path, place: Place, change: str) -> None:
    (tmp_path / "audit.json").write_text(json.dumps(changed(place, change)))
    with refused(where=str(tmp_path / "audit.json"), names=(place[-1],)) as caught:
        read_audit(tmp_path)
    assert not isinstance(caught.value, UserErrors)


def swapped(content: dict[str, Any]) -> None:
    kept = content["arrangements"][1]["kept"]
    kept["low"], kept["high"] = kept["high"] + 1, kept["low"]


CONTRADICTIONS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "verdict.arrangement": lambda content: content["verdict"].update(arrangement="fly"),
    "verdict.undecided": lambda content: content["verdict"].update(undecided="fly"),
    "arrangements.0.figures": lambda content: content.update(primary="recall@99"),
    "kept": swapped,
    "curve": lambda content: content["arrangements"][-2]["curve"]["values"].pop(),
}


@pytest.mark.parametrize("named", CONTRADICTIONS)
def test_a_contradiction_is_named(tmp_path: Path, named: str) -> None:
    content = real_audit().to_dict()
    CONTRADICTIONS[named](content)
    (tmp_path / "audit.json").write_text(json.dumps(content))
    with refused(where=str(tmp_path / "audit.json"), names=(named,)):
        read_audit(tmp_path)


def test_no_mutated_file_ends_in_a_crash(tmp_path: Path) -> None:
    text, source, outcomes = json.dumps(real_audit().to_dict()), random.Random(0), {"read": 0, "refused": 0}
    path = tmp_path / "audit.json"
    for _ in range(300):
        start = source.randrange(len(text))
        put = source.choice(["", "0", '"', "{}", "[", "null", "1e999", "NaN", "\u2028", "true", "-"])
        path.write_text(text[:start] + put + text[start + source.randrange(40) :])
        try:
            assert isinstance(read_audit(path), Audit)
            outcomes["read"] += 1
        except UserError as error:
            assert str(error).startswith(str(path))
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 5
