"""Results as `results.json` has them, and terminals that are none."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.handmade import Make, maker, two_strategies
from helpers.published import HOC
from rich.console import Console, RenderableType

from clsim.experiment.events import RunInfo

CPE_CLIP = [0.8783, 0.8586, 0.8493, 0.8285, 0.8264, 0.8242, 0.8227, 0.8144, 0.8052]

ARRIVALS = {0: ("simplex_100", 0, 0.0), 2: ("simplex_300", 0, 0.0), 4: ("simplex_600", 120, 12.3)}
"""Replacements by session: name, iterations before it, seconds before it."""


class Terminal(io.StringIO):
    """A stream that says it is a UTF-8 terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def record(session: int) -> dict[str, Any]:
    base, novel = 0.9 - 0.01 * session, 0.6 - 0.01 * session if session else None
    return {
        "session": session,
        "new_classes": list(range(60)) if session == 0 else list(range(55 + 5 * session, 60 + 5 * session)),
        "seen_classes": 60 + 5 * session,
        "replaced_by": None,
        "accuracy": 0.8712 - 0.02 * session,
        "base_accuracy": base,
        "novel_accuracy": novel,
        "harmonic_mean": 2 * base * novel / (base + novel) if novel else None,
        "accuracy_by_session": [base, *(0.5 + 0.01 * j for j in range(session))],
        "forgetting": {"from_best": 0.0123 * session, "from_first": 0.0111 * session} if session else None,
        "compatibility": None,
        "service": None,
        "train_seconds": 10.0,
        "eval_seconds": 2.0,
        "images_trained": 12340,
        "trainable_parameters": 406272,
        "peak_memory_bytes": 1 << 30,
    }


def long_matrix(versions: int) -> list[list[float]]:
    """A matrix with replacements at a third and two thirds: the queries get better, a few pairs fail."""
    level = [0.55 + 0.005 * i + 0.05 * (3 * i // versions) for i in range(versions)]
    return [
        [level[j] + (0.002 * ((i * 7 + j * 3) % 11 - 3) if j < i else 0) for j in range(i + 1)] for i in range(versions)
    ]


def compatibility_record(matrix: list[list[float]], t: int) -> dict[str, Any]:
    rows = matrix[: t + 1]
    pairs = [row[j] > rows[j][j] for row in rows for j in range(len(row) - 1)]
    entries = [value for row in rows for value in row]
    known = {
        "self_test": rows[t][t],
        "cross_tests": rows[t][:t],
        "ac": sum(pairs) / len(pairs) if pairs else None,
        "am": sum(entries) / len(entries),
        "negative_flip_rate": 0.0312 + 0.001 * t if t else None,
        "positive_flip_rate": 0.0581 + 0.001 * t if t else None,
        "against_first": rows[t][0] - rows[0][0] if t else None,
        "backward_compatibility": sum(rows[t][i] - rows[i][i] for i in range(t)) / t if t else None,
        "update_gain": (rows[t][t - 1] - rows[t - 1][t - 1]) / (rows[t][t] - rows[t - 1][t - 1]) if t else None,
        "constraints": {"same_class": 0.6123, "different_class": 0.5234} if t else None,
    }
    arrival = ARRIVALS.get(t)
    item = {"model": arrival[0], "after_iterations": arrival[1], "seconds": arrival[2]} if arrival else None
    return {
        "compatibility": known,
        "replaced_by": arrival[0] if arrival else None,
        "replacements": [item] if item else [],
    }


def service_record(matrix: list[list[float]], t: int) -> dict[str, Any]:
    share = [i / 10 for i in range(11)]
    mixed, full = sum(matrix[t]) / (t + 1) - 0.01 * (t > 0), matrix[t][t]
    curves = {
        "fractions": share,
        "random": [mixed + (full - mixed) * f for f in share],
        "best_first": [mixed + (full - mixed) * f**0.5 for f in share],
        "area_random": (mixed + full) / 2,
        "area_best_first": mixed + (full - mixed) * 2 / 3,
    }
    return {
        "accuracy": mixed,
        "full_backfill": full,
        "no_update": matrix[0][0],
        "gallery_items": 1428 * (t + 1),
        "items_by_version": [1428] * (t + 1),
        "backfill": curves if t else None,
        "images_not_reprocessed": 1428 * t,
        "device_seconds_saved": 1.2 * t,
    }


@pytest.fixture
def results() -> Callable[..., dict[str, Any]]:
    """`results(sessions)` gives the results of a run with so many sessions."""

    def build(sessions: int, **others: Any) -> dict[str, Any]:
        records = [record(i) for i in range(sessions)]
        accuracies = [r["accuracy"] for r in records]
        return {
            "format": 1,
            "scenario": "cifar_fscil",
            "strategy": "cpe_clip",
            "seed": 42,
            "status": "complete",
            "stands_in_for": None,
            "sessions": records,
            "summary": {
                "average_accuracy": sum(accuracies) / sessions,
                "average_accuracy_weighted": 0.5678,
                "final_accuracy": accuracies[-1],
                "performance_drop": accuracies[0] - accuracies[-1],
                "average_forgetting": 0.0345,
                "ac": None,
                "am": None,
            },
            **others,
        }

    return build


@pytest.fixture
def compatible(results: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """`compatible(sessions)` gives the same of a run with replacements, its matrix the published one or a like one."""

    def build(sessions: int = 7, matrix: list[list[float]] | None = None, **others: Any) -> dict[str, Any]:
        matrix = matrix or (HOC[:sessions] if sessions <= len(HOC) else long_matrix(sessions))
        done = results(sessions, scenario="cifar_replacement_7", strategy="stationary")
        for t, record_ in enumerate(done["sessions"]):
            record_.update(compatibility_record(matrix, t), service=service_record(matrix, t))
        services = [record_["service"] for record_ in done["sessions"]]
        last = done["sessions"][-1]["compatibility"]
        done["summary"].update(
            ac=last["ac"],
            am=last["am"],
            service={k: sum(s[k] for s in services) for k in ("images_not_reprocessed", "device_seconds_saved")},
        )
        padded = [[*row, *[None] * (sessions - len(row))] for row in matrix]
        return {**done, "compatibility_matrix": padded, **others}

    return build


@pytest.fixture
def info() -> Callable[..., RunInfo]:
    """`info(sessions=9, ...)` gives what is known of a run before it starts."""

    def build(**others: Any) -> RunInfo:
        known: dict[str, Any] = {
            "scenario": "cifar_fscil",
            "strategy": "cpe_clip",
            "seed": 42,
            "device": "cpu",
            "dataset": "cifar100",
            "sessions": 9,
            "out": "runs/cifar_fscil/cpe_clip/seed42-20260101-000000",
        }
        return RunInfo(**{**known, **others})

    return build


@pytest.fixture
def published() -> list[float]:
    """The published CIFAR-100 row of CPE-CLIP."""
    return list(CPE_CLIP)


@pytest.fixture
def drawn() -> Callable[..., list[str]]:
    """`drawn(renderable, width)` gives the lines that a terminal shows, each as wide as the renderable."""

    def draw(renderable: RenderableType, width: int) -> list[str]:
        console = Console(file=io.StringIO(), width=width, record=True, force_terminal=True)
        console.print(renderable)
        return console.export_text().splitlines()

    return draw


@pytest.fixture
def matrix() -> list[list[float]]:
    """The published cross-test matrix of seven versions."""
    return [list(row) for row in HOC]


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


@pytest.fixture
def missing() -> dict[str, str]:
    """Why a stand-in runs."""
    return {
        "scenario": "cifar_fscil",
        "because": "cifar100 is not here.",
        "fix": "run `clsim data fetch cifar100`.",
    }


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """`make("ours", 1, [0.9, 0.7])` gives the directory of a run made by hand; see :func:`handmade.maker`."""
    return maker(tmp_path)


@pytest.fixture
def two(make: Make) -> list[Path]:
    """Two strategies over three seeds."""
    return two_strategies(make)
