"""Loading of scenarios: read, override, check everything, and report all problems at once."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from clsim.config.checks.scenario import check
from clsim.config.checks.strategy import check_runs_on, check_settings
from clsim.config.discovery import find_scenario, find_strategy
from clsim.config.overrides import Overrides, apply
from clsim.config.protocol import comparable_rows, protocol_changes, rows_of_form
from clsim.config.renaming import rename_blocks, rename_keys
from clsim.config.scenario import Scenario, strategy_name
from clsim.config.signatures import Signature, read_signature
from clsim.config.yaml import Document, read
from clsim.utils.errors import UserError, UserErrors
from clsim.utils.issues import Finding, KeyPath
from clsim.utils.schema_errors import findings, unknown_keys
from clsim.utils.text import describe

SWEEP = frozenset(("scenario", "scenarios", "grid", "choose"))
"""Keys that distinguish a sweep from a scenario without a stream."""


def load_scenario(
    name_or_path: str | Path,
    overrides: Overrides = None,
    *,
    strategy: str | None = None,
    seed: int | None = None,
) -> Scenario:
    """Load a scenario by name or path, with all defaults filled in.

    Args:
        name_or_path: Name or path, as for ``clsim run``.
        overrides: Values by dotted key, as ``{"stream.shots": 1}`` or ``["stream.shots=1"]``. ``strategy.KEY`` is a
            setting of the strategy that runs.
        strategy: Name or path of the strategy that runs. ``None`` takes the scenario's.
        seed: Seed of the run. ``None`` takes the scenario's.

    Raises:
        UserError: There is no such scenario.
        UserErrors: The scenario is invalid. Every problem has its file and line, or its option.
    """
    path = find_scenario(name_or_path)
    document = read(path)
    if document.value is None:
        raise UserErrors([*document.problems, UserError("is empty", where=str(path))])
    if not isinstance(document.value, dict):
        what = f"expected a block of keys (stream, strategy, ...), got {describe(document.value)}"
        raise UserErrors([*document.problems, UserError(what, where=document.place(()))])
    if "stream" not in document.value and not SWEEP.isdisjoint(document.value):
        fix = f"run it by: clsim sweep {path}"
        raise UserErrors([UserError("this is a sweep, not a scenario", where=document.place(()), fix=fix)])
    rename_blocks(document)
    written = copy.deepcopy(document.value)
    applied = apply(document, overrides, {"strategy": strategy, "seed": seed})
    overridden = set(applied.paths)
    rename_blocks(document, overridden)
    strategies = _Strategies(document, overridden)
    scenario, found = _validated(document.value)
    other_protocol: tuple[str, ...] = ()
    if scenario is not None and scenario.published and not any(path[0] == "published" for path in overridden):
        other_protocol = protocol_changes(_validated(written)[0], scenario, overridden)
        document.value["published"] = comparable_rows(document.value["published"], other_protocol)
        scenario = _validated(document.value)[0] or scenario
    found += [*unknown_keys(Scenario, document.value), *check(document.value, path), *strategies.findings]
    unique = {(finding.path, finding.what): finding for finding in found}.values()
    problems = [UserError(f.what, where=document.place(f.path), fix=f.fix) for f in unique]
    problems += [*document.problems, *strategies.broken]
    if problems or scenario is None:
        raise UserErrors(sorted(problems, key=_order))
    rows = rows_of_form(scenario.published, strategies.resolved)
    scenario = scenario.model_copy(update={"strategies": strategies.resolved, "published": rows})
    scenario._path, scenario._files = path, strategies.files
    scenario._overrides, scenario._overridden = applied.values, frozenset(overridden)
    scenario._other_protocol = other_protocol
    return scenario


def read_resolved(path: Path) -> Scenario:
    """Read the scenario of a run directory and check its values. Strategy files are not read.

    Raises:
        UserErrors: The file cannot be read or is invalid.
    """
    document = read(path)
    if not isinstance(document.value, dict):
        what = f"expected a block of keys, got {describe(document.value)}"
        raise UserErrors([*document.problems, UserError(what, where=document.place(()))])
    rename_blocks(document, warn=False)
    scenario, found = _validated(document.value)
    found += unknown_keys(Scenario, document.value)
    problems = [UserError(f.what, where=document.place(f.path), fix=f.fix) for f in found]
    problems += document.problems
    if scenario is None or problems:
        raise UserErrors(problems)
    return scenario


def _validated(raw: Mapping[str, Any]) -> tuple[Scenario | None, list[Finding]]:
    try:
        # JSON has no tuples, so a list passes as a strict tuple. Strictness extends to the recipes, which coerce.
        return Scenario.model_validate_json(json.dumps(raw), strict=True), []
    except ValidationError as error:
        return None, list(findings(error, raw))


def _order(problem: UserError) -> tuple[str, int]:
    file, _, line = (problem.where or "").rpartition(":")
    return (file, int(line)) if line.isdecimal() else (f"\uffff{problem.where}", 0)


class _Strategies:
    """Strategies that a scenario names: their files, and their settings with the defaults filled in."""

    def __init__(self, document: Document, overridden: set[KeyPath]) -> None:
        self.files: dict[str, Path] = {}
        self.resolved: dict[str, dict[str, Any]] = {}
        self.findings: list[Finding] = []
        self.broken: list[UserError] = []  # problems in the strategy files
        raw = document.value
        blocks = raw.get("strategies")
        blocks = blocks if isinstance(blocks, dict) else {}
        stream = raw.get("stream")
        kind = stream.get("kind") if isinstance(stream, dict) else None
        for path, text in self._named(raw, blocks):
            name = strategy_name(text)
            if name in self.files:
                continue
            try:
                self.files[name] = find_strategy(text)
                signature = read_signature(self.files[name])
            except UserErrors as errors:
                self.broken += errors.errors
            except UserError as error:
                what = f"{error.where}: {error.what}" if error.where else error.what
                self.findings.append(Finding(path, what, error.fix))
            else:
                if path[0] != "strategies":  # a block of settings alone runs nothing
                    self.findings += check_runs_on(path, name, signature, kind)
                for block in (("strategies", name), ("published", name, "settings")):
                    rename_keys(document, block, signature.settings, overridden)
                settings = blocks.get(name)
                if settings is None or isinstance(settings, dict):
                    self._check(signature, name, settings or {}, path)

    def _named(self, raw: Mapping[str, Any], blocks: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
        """Yield every mention of a strategy, the selected one first, because its path also serves its block."""
        if isinstance(raw.get("strategy"), str):
            yield ("strategy",), raw["strategy"]
        listed = raw.get("references")
        references = listed if isinstance(listed, list) else []
        known: set[str] = set()
        for i, text in enumerate(references):
            if isinstance(text, str):
                if text in known:
                    self.findings.append(Finding(("references", i), f"references: '{text}' appears twice"))
                known.add(text)
                yield ("references", i), text
        for name in blocks:
            yield ("strategies", name), name

    def _check(self, signature: Signature, name: str, given: Mapping[str, Any], path: KeyPath) -> None:
        found, self.resolved[name] = check_settings(signature, name, given, path)
        self.findings += found
