"""The figures of a run under one name each, and those that a paper prints under the same names. Plain values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal

from clsim.report.figures import finite
from clsim.report.last_upgrade import further_criteria, last_upgrade

if TYPE_CHECKING:
    from clsim.config.evaluation import Published

ACCURACY, SELF_TEST = "accuracy", "self_test"
"""Figures by session: ``accuracy.3`` is that after session 3."""
GAIN = "update_gain_independent"
"""By the new model of a reference, which only several runs together can tell."""
NAMES = {
    "final_accuracy": "final accuracy",
    "average_accuracy": "average accuracy",
    "average_accuracy_weighted": "average accuracy, weighted",
    "performance_drop": "performance drop",
    "average_forgetting": "average forgetting",
    "base_accuracy": "base classes at the end",
    "novel_accuracy": "later classes at the end",
    "harmonic_mean": "harmonic mean of both",
    "ac": "AC",
    "am": "AM",
    "self_test": "self-test at the end",
    "service_accuracy": "search service at the end",
    "negative_flip_rate": "negative flips at the end",
    "positive_flip_rate": "positive flips at the end",
    "update_gain": "update gain by its own new model",
    GAIN: "update gain by the independent",
}
"""Figures of whole runs, in the order in which they are shown."""
OF_ACCURACY = tuple(NAMES)[:5]
SUMMARY = (*OF_ACCURACY, "ac", "am")
AT_THE_END = ("base_accuracy", "novel_accuracy", "harmonic_mean")
OF_VERSIONS = ("self_test", "negative_flip_rate", "positive_flip_rate")
PARTS = {"old_old": "old/old", "new_old": "new/old", "new_new": "new/new"}
LOWER_IS_BETTER = ("performance_drop", "average_forgetting", "negative_flip_rate")
OWN = "metrics."
"""Before the name of a metric of one's own, after the last session."""
_BY_SESSION = re.compile(rf"({ACCURACY}|{SELF_TEST})\.(\d+)")


def label_of(key: str) -> str:
    """What a figure is called in tables.

    Example:
        >>> label_of("performance_drop"), label_of("accuracy.3"), label_of("map.new_old")
        ('performance drop', 'accuracy after session 3', 'map, new/old')

    """
    if key in NAMES:
        return NAMES[key]
    if key.startswith(OWN):
        return f"{key.removeprefix(OWN)} at the end, as it is"
    if by_session := _BY_SESSION.fullmatch(key):
        return f"{by_session[1].replace('_', '-')} after session {by_session[2]}"
    criterion, _, part = key.rpartition(".")
    return f"{criterion}, {PARTS[part]}"


def is_fraction(key: str) -> bool:
    """Whether a figure may be told in percent; of a metric of one's own nobody but its author knows the unit."""
    return not key.startswith(OWN)


def session_of(key: str) -> tuple[str, int] | None:
    """``("accuracy", 3)`` of ``accuracy.3``; ``None`` where a figure is of a whole run."""
    by_session = _BY_SESSION.fullmatch(key)
    return (by_session[1], int(by_session[2])) if by_session else None


def better_when(key: str) -> Literal[1, -1]:
    """1 where more of it is better, -1 where less is."""
    return -1 if key in LOWER_IS_BETTER else 1


def figures_of(results: Mapping[str, Any], upgrades_by: str | None = None) -> dict[str, float]:
    """Every figure that is known of a run, as fractions; those of the whole only of a run that is complete.

    Args:
        results: the content of ``results.json``.
        upgrades_by: criterion of the compatibility matrix, where the stream is one of upgrades.

    """
    sessions = results.get("sessions") or []
    found: dict[str, Any] = {}
    if results.get("status") == "complete" and sessions:
        last = sessions[-1]
        compatibility = last.get("compatibility") or {}
        found |= {key: (results.get("summary") or {}).get(key) for key in SUMMARY}
        found |= {key: last.get(key) for key in AT_THE_END}
        found |= {key: compatibility.get(key) for key in OF_VERSIONS}
        found |= {f"{OWN}{name}": value for name, value in (last.get("metrics") or {}).items()}
        found["service_accuracy"] = (last.get("service") or {}).get("accuracy")
        if upgrades_by is not None:
            found["update_gain"] = compatibility.get("update_gain")
            found |= _upgrades(results, upgrades_by)
    for index, record in enumerate(sessions):
        found[f"{ACCURACY}.{index}"] = record.get("accuracy")
        found[f"{SELF_TEST}.{index}"] = (record.get("compatibility") or {}).get("self_test")
    known = {key: finite(value) for key, value in found.items()}
    return {key: value for key, value in known.items() if value is not None}


def _upgrades(results: Mapping[str, Any], criterion: str) -> dict[str, float]:
    """Of the last upgrade by every criterion."""
    found: dict[str, float] = {}
    for name in (criterion, *further_criteria([{"seeds": [results]}], criterion)):
        upgrade = last_upgrade(dict(results), None if name == criterion else name)
        if upgrade is not None:
            found |= {f"{name}.{part}": getattr(upgrade, part) for part in PARTS}
    return found


def published_of_versions(row: Published) -> dict[str, float | None]:
    """Those of versions and their galleries, not of accuracies."""
    found = published_figures(row)
    return {key: value for key, value in found.items() if key not in OF_ACCURACY and session_of(key) is None}


def published_figures(row: Published, sessions: int | None = None) -> dict[str, float]:
    """Those of a paper under the same names; what follows from its accuracies is computed.

    Args:
        row: of a scenario.
        sessions: of the run; a row of another length has no figures of the whole.

    """
    found: dict[str, float | None] = {"ac": row.ac, "am": row.am}  # of whole runs, whatever their length
    if row.accuracy:
        found |= {f"{ACCURACY}.{index}": value for index, value in enumerate(row.accuracy)}
        if sessions in (None, len(row.accuracy)):
            found["final_accuracy"] = row.accuracy[-1]
            found["average_accuracy"] = fmean(row.accuracy)
            found["performance_drop"] = row.accuracy[0] - row.accuracy[-1]
    if row.self_test:
        found |= {f"{SELF_TEST}.{index}": value for index, value in enumerate(row.self_test)}
        if sessions in (None, len(row.self_test)):
            found["self_test"] = row.self_test[-1]
    for criterion, upgrade in (row.upgrade or {}).items():
        found |= {f"{criterion}.{part}": getattr(upgrade, part) for part in PARTS}
    return {key: value for key, value in found.items() if value is not None}
