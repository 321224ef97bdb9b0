"""JSON Schema of scenarios for editors, with the settings of all strategies."""

from __future__ import annotations

from typing import Any

from clsim.config.discovery import shipped
from clsim.config.evaluation import HELD_OUT, STREAM
from clsim.config.scenario import Scenario
from clsim.config.signatures import REQUIRED, read_signature
from clsim.data.facts import CAPTIONED, CAPTIONS, FACTS
from clsim.streams.kinds import CLASS_KINDS


def scenario_schema() -> dict[str, Any]:
    """Return the schema with the shipped strategies, their settings and the known data sets.

    Raises:
        UserErrors: The signature of a shipped strategy cannot be read.
    """
    schema: dict[str, Any] = _without_titles(Scenario.model_json_schema())
    properties = schema["properties"]
    blocks = {}
    for path in sorted(shipped("strategies").glob("[!_]*.py")):
        signature = read_signature(path)
        required = [name for name, setting in signature.settings.items() if setting.default is REQUIRED]
        blocks[path.stem] = {
            "type": "object",
            "description": signature.description,
            "properties": {name: setting.json_schema() for name, setting in signature.settings.items()},
            "additionalProperties": False,
            **({"required": required} if required else {}),
        }
    properties["strategies"] |= {"properties": blocks, "additionalProperties": {"type": "object"}}
    properties["strategy"] |= _names_or(list(blocks), {"type": "string"})
    properties["references"]["items"] = _names_or(list(blocks), {"type": "string"})
    folder = {"type": "string", "pattern": "^folder:."}
    table = {"type": "string", "pattern": f"^{CAPTIONS}."}
    for kind, reference in properties["stream"]["discriminator"]["mapping"].items():
        known = _names_or(list(FACTS), folder) if kind in CLASS_KINDS else _names_or(list(CAPTIONED), table)
        schema["$defs"][reference.rpartition("/")[2]]["properties"]["dataset"] |= known
    images = schema["$defs"]["CompatibilityEvaluation"]["properties"]["images"]
    images |= _names_or([STREAM, HELD_OUT, *FACTS], folder)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "clsim scenario", **schema}


def _names_or(names: list[str], otherwise: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that completes known names and allows others."""
    return {"anyOf": [{"enum": names}, otherwise]} if names else {}


def _without_titles(node: Any) -> Any:
    """Remove pydantic's titles, which repeat the keys."""
    if isinstance(node, dict):
        return {
            key: _without_titles(value)
            for key, value in node.items()
            if not (key == "title" and isinstance(value, str))
        }
    return [_without_titles(item) for item in node] if isinstance(node, list) else node
