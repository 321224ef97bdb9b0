"""Checks that compatibility figures follow from the cross-test matrix."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

from clsim.config.evaluation import CompatibilityEvaluation
from clsim.metrics.functional.compatibility import (
    average_compatibility,
    average_multimodel_accuracy,
    backward_compatibility,
    gain_over_first,
    update_gain,
)
from clsim.results.reader import RunFiles
from clsim.verify.check import Check, agrees, compared

DIRECTIONS = ("image_to_text", "text_to_image")


def check_compatibility(run: RunFiles) -> Iterator[Check]:
    """Check AC, AM, gains and, for images and texts, the mean of both directions; records must be in order."""
    records = [record["compatibility"] for record in run.sessions]
    if not records or not records[0]:
        return
    given = run.scenario.evaluation.compatibility if run.scenario else None
    matrix: list[list[float]] = []
    checks: list[Check] = []
    for number, record in enumerate(records):
        matrix.append([*record["cross_tests"], record["self_test"]])
        expected: dict[str, Any] = figures(matrix, _strict(given, record, matrix))
        if "compatible" in record:
            expected["compatible"] = _compatible(records, number, given is None or not given.ties)
        found = {key: record.get(key) for key in expected}
        checks.append(
            compared("AC, AM and gains from the matrix", {f"session {number}": found}, {f"session {number}": expected})
        )
    yield next((check for check in checks if check.verdict == "DIFFERS"), agrees("AC, AM and gains from the matrix"))
    if "compatible" in records[0]:
        yield compared("matrix and its two directions", {"matrix": matrix}, {"matrix": _of_directions(records, given)})


def figures(matrix: list[list[float]], strict: bool) -> dict[str, Any]:
    """Return the figures that the last row adds to a record, by their keys."""
    gain = update_gain(matrix[-1][-2], matrix[-2][-1], matrix[-1][-1]) if len(matrix) > 1 else None
    return {
        "ac": average_compatibility(matrix, strict),
        "am": average_multimodel_accuracy(matrix),
        "against_first": gain_over_first(matrix),
        "backward_compatibility": backward_compatibility(matrix),
        "update_gain": gain,
    }


def _strict(given: CompatibilityEvaluation | None, record: Any, matrix: list[list[float]]) -> bool:
    """Return whether a tie fails; for a strategy composed in Python, infer it from the AC in the record."""
    return not given.ties if given else record["ac"] == average_compatibility(matrix, True)


def _compatible(records: list[Any], number: int, strict: bool) -> dict[str, bool] | None:
    if number == 0:
        return None
    beats = operator.gt if strict else operator.ge
    before = records[number - 1]["also"]
    return {name: beats(row[-2], before[name][-1]) for name, row in records[number]["also"].items()}


def _of_directions(records: list[Any], given: CompatibilityEvaluation | None) -> list[list[float]]:
    """Return the mean of both directions by the criterion of the matrix, which comes first."""
    first = given.criterion if given else next(iter(records[0]["also"]), "recall@1").partition("/")[0]
    sides = [[record["also"].get(f"{first}/{direction}", []) for record in records] for direction in DIRECTIONS]
    return [[(a + b) / 2 for a, b in zip(*rows, strict=False)] for rows in zip(*sides, strict=True)]
