"""Results as `results.json` has them, and terminals that are none."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from clsim.report.reporter import RunInfo

CPE_CLIP = [0.8783, 0.8586, 0.8493, 0.8285, 0.8264, 0.8242, 0.8227, 0.8144, 0.8052]


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
