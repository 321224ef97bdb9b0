"""Readers of a run directory: any content of its files ends in values or in a clear error."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from clsim.config import Scenario
from clsim.config.load import read_resolved
from clsim.results.manifest import NAME
from clsim.results.schema import ConfusionShape, ManifestShape, ResultsShape, SessionShape, Shape
from clsim.utils.errors import UserError, UserErrors
from clsim.utils.json_files import parse_json, read_json, read_text
from clsim.utils.schema_errors import findings

CONFUSION = "confusion.json"
SHOWN = 3
"""Most mistakes of a file that one error shows."""
Content = dict[str, Any]
S = TypeVar("S", bound=Shape)


@dataclass(frozen=True)
class RunFiles:
    """Files of a run, with JSON of the right shape.

    Attributes:
        path: Run directory.
        manifest: Content of ``manifest.json``.
        results: Content of ``results.json``; ``None`` if it does not exist yet.
        lines: Records of ``sessions.jsonl``; ``None`` likewise.
        scenario: Scenario of ``scenario.yaml``; ``None`` if it is missing or cannot be read.
        scenario_problem: Reason why it cannot be read.
        confusion: Content of ``confusion.json``; ``None`` if it does not exist.

    """

    path: Path
    manifest: Content
    results: Content | None
    lines: list[Content] | None
    scenario: Scenario | None
    scenario_problem: str | None
    confusion: Content | None

    @property
    def sessions(self) -> list[Content]:
        """Records of the sessions."""
        found: list[Content] = [] if self.results is None else self.results["sessions"]
        return found

    @property
    def complete(self) -> bool:
        """Whether the run is complete."""
        return self.results is not None and self.results["status"] == "complete"

    @property
    def why_no_scenario(self) -> str:
        """Reason why there is no scenario."""
        if self.scenario_problem is not None:
            return "scenario.yaml cannot be read"
        return "there is no scenario.yaml; the strategy was composed in Python"


def read_run(path: Path) -> RunFiles:
    """Read the files of a run directory; nothing is executed or unpickled.

    Raises:
        UserError: It is no run directory.
        UserErrors: A file in it is damaged.

    """
    if not path.is_dir():
        what = "this is a file, not a run directory" if path.exists() else "there is no such run directory"
        raise UserError(what, where=str(path))
    if not (path / NAME).exists():
        raise UserError(f"this is no run directory: it has no {NAME}", where=str(path))
    results = _shaped(path / "results.json", ResultsShape) if (path / "results.json").exists() else None
    scenario, problem = None, None
    if (path / "scenario.yaml").exists():
        try:
            scenario = read_resolved(path / "scenario.yaml")
        except UserError as error:
            problem = str(error)
    lines = _lines(path, whole=results is not None and results["status"] == "complete")
    confusion = _shaped(path / CONFUSION, ConfusionShape) if (path / CONFUSION).exists() else None
    return RunFiles(path, _shaped(path / NAME, ManifestShape), results, lines, scenario, problem, confusion)


def _shaped(path: Path, shape: type[S]) -> Content:
    return _checked(read_json(path), shape, str(path))


def _checked(value: Any, shape: type[S], where: str) -> Content:
    if not isinstance(value, dict):
        raise UserError(f"expected an object, got {type(value).__name__}", where=where)
    try:
        shape.model_validate(value)
    except ValidationError as error:
        wrong = [UserError(f.what, where=where) for f in findings(error, value)]
        raise UserErrors(wrong[:SHOWN]) from error
    return value


def _lines(path: Path, *, whole: bool) -> list[Content] | None:
    file = path / "sessions.jsonl"
    if not file.exists():
        return None
    records, lines = list[Content](), read_text(file).split("\n")
    for number, line in enumerate(lines, start=1):
        if not line and number == len(lines):  # after the last newline
            break
        try:
            record = parse_json(line, str(file), first_line=number)
        except UserError:
            if number == len(lines) and not whole:  # the run was killed while it wrote this line
                break
            raise
        records.append(_checked(record, SessionShape, f"{file}:{number}"))
    return records
