"""Run directories made by hand: only the files that comparisons and reports read, with the figures a test asks for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

FSCIL: dict[str, Any] = {
    "stream": {"kind": "fscil", "dataset": "shapes", "base_classes": 60, "ways": 5, "shots": 5, "sessions": 2},
    "strategy": "ours",
    "strategies": {"ours": {"lr": 0.1}, "theirs": {"epochs": 3}},
}
UPGRADE: dict[str, Any] = {
    "stream": {"kind": "upgrade", "dataset": "shapes", "classes": [50, 100]},
    "strategy": "ours",
    "evaluation": {"compatibility": {"images": "stream", "criterion": "cmc@1", "also": ["map"]}},
}
HASHES = {"train images": "a" * 64, "test images": "b" * 64, "split lists": "c" * 64, "clsim source": "d" * 64}
Make = Callable[..., Path]


def record(session: int, accuracy: float) -> dict[str, Any]:
    return {
        "session": session,
        "new_classes": [session],
        "seen_classes": session + 1,
        "accuracy": accuracy,
        "base_accuracy": accuracy,
        "novel_accuracy": None,
        "harmonic_mean": None,
        "accuracy_by_session": [accuracy] * (session + 1),
        "forgetting": None,
        "compatibility": None,
        "service": None,
    }


def compatibility_record(matrix: list[list[float]], version: int) -> dict[str, Any]:
    row = matrix[version]
    return {
        "self_test": row[version],
        "cross_tests": row[:version],
        "also": {},
        "ac": None,
        "am": row[version],
        "against_first": None,
        "backward_compatibility": None,
        "negative_flip_rate": 0.125 if version else None,
        "positive_flip_rate": 0.25 if version else None,
        "update_gain": 0.5 if version else None,
    }


def maker(folder: Path) -> Make:
    """`maker(folder)("ours", 1, [0.9, 0.7])` gives the directory of a run with these accuracies, in `folder`.

    Further arguments: `status`, `scenario` (changes of `FSCIL`), `hashes` (changes), `manifest` (changes),
    `matrix` (of an upgrade), `validation` (of ``results.json``), `name` of the directory.
    """

    def run(strategy: str, seed: int, accuracies: list[float], **told: Any) -> Path:
        path = folder / told.get("name", f"{len(list(folder.iterdir()))}")
        path.mkdir(parents=True)
        whole, matrix = told.get("status", "complete"), told.get("matrix")
        sessions = [record(index, accuracy) for index, accuracy in enumerate(accuracies)]
        for version, session in enumerate(sessions if matrix else []):
            session["compatibility"] = compatibility_record(matrix, version)
        shared = {"scenario": "made", "strategy": strategy, "seed": seed, "stands_in_for": told.get("stands_in_for")}
        summary = {
            "average_accuracy": sum(accuracies) / len(accuracies),
            "final_accuracy": accuracies[-1],
            "performance_drop": accuracies[0] - accuracies[-1],
            "average_forgetting": None,
        }
        results = {
            "format": 1,
            **shared,
            "status": whole,
            "validation": told.get("validation"),
            "sessions": sessions,
            "summary": summary if accuracies else {},
            "accuracy_matrix": [session["accuracy_by_session"] for session in sessions],
            "compatibility_matrix": [[*row, *[None] * (len(matrix) - len(row))] for row in matrix] if matrix else None,
            "matrices": told.get("matrices", {}),
        }
        manifest = {
            **shared,
            "device": "cpu",
            "platform": "here",
            "clsim": "0.1.0",
            "packages": {"torch": "2.6"},
            "hashes": {key: value for key, value in {**HASHES, **told.get("hashes", {})}.items() if value},
            **told.get("manifest", {}),
        }
        scenario = {**(UPGRADE if matrix else FSCIL), "strategy": strategy, "seed": seed, **told.get("scenario", {})}
        scenario["strategies"] = {strategy: {}, **scenario.get("strategies", {})}
        (path / "results.json").write_text(json.dumps(results))
        (path / "manifest.json").write_text(json.dumps(manifest))
        (path / "scenario.yaml").write_text(yaml.safe_dump(scenario))
        return path

    return run


OURS, THEIRS = {1: 0.70, 2: 0.72, 3: 0.74}, {1: 0.60, 2: 0.66, 3: 0.66}
"""Final accuracies by seed: differences of 10, 6 and 8 points."""


def two_strategies(make: Make) -> list[Path]:
    """`OURS` and `THEIRS`, three runs each."""
    given = [("ours", OURS), ("theirs", THEIRS)]
    return [make(name, seed, [0.9, 0.8, final]) for name, finals in given for seed, final in finals.items()]
