"""The figures of a run and of a published row, by the keys of the registry."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import TYPE_CHECKING, Any

from clsim.results.figures import CUSTOM, UPGRADE_PARTS, figure, figures, session_of
from clsim.results.upgrades import further_criteria, last_upgrade
from clsim.utils.numbers import finite

if TYPE_CHECKING:
    from clsim.config.evaluation import Published


def figures_of(results: Mapping[str, Any], upgrades_by: str | None = None) -> dict[str, float]:
    """Return every known figure of a run by its key; those of the whole run only if it is complete.

    Args:
        results: Content of ``results.json``.
        upgrades_by: Criterion of the compatibility matrix of a stream of upgrades; ``None`` for other streams.

    """
    sessions = results.get("sessions") or []
    found: dict[str, Any] = {}
    if results.get("status") == "complete" and sessions:
        for each in figures():
            if each.group != "upgrade" or upgrades_by is not None:
                found[each.key] = each.of_run(results)
        found |= {f"{CUSTOM}{name}": value for name, value in (sessions[-1].get("metrics") or {}).items()}
        if upgrades_by is not None:
            found |= _upgrades(results, upgrades_by)
    by_session = [each for each in figures() if each.by_session]
    for index, record in enumerate(sessions):
        found |= {f"{each.key}.{index}": each.of_session(record) for each in by_session}
    known = {key: finite(value) for key, value in found.items()}
    return {key: value for key, value in known.items() if value is not None}


def _upgrades(results: Mapping[str, Any], criterion: str) -> dict[str, float]:
    """Return the parts of the last upgrade by every criterion."""
    found: dict[str, float] = {}
    for name in (criterion, *further_criteria([{"seeds": [results]}], criterion)):
        upgrade = last_upgrade(results, None if name == criterion else name)
        if upgrade is not None:
            found |= {f"{name}.{part}": getattr(upgrade, part) for part in UPGRADE_PARTS}
    return found


def published_of_versions(row: Published) -> dict[str, float]:
    """Return the published figures of whole runs that are about versions and their galleries."""
    found = published_figures(row)
    return {key: value for key, value in found.items() if _of_versions(key)}


def _of_versions(key: str) -> bool:
    return session_of(key) is None and figure(key).group != "accuracy"


def published_figures(row: Published, sessions: int | None = None) -> dict[str, float]:
    """Return the figures of a published row by their keys, with those that follow from its accuracies.

    Args:
        row: Published row of a scenario.
        sessions: Number of sessions of the run; a row of another length gives no figures of the whole run. The default
            accepts any length.

    """
    found: dict[str, float | None] = {"ac": row.ac, "am": row.am}  # figures of whole runs of any length
    if row.accuracy:
        found |= {f"accuracy.{index}": value for index, value in enumerate(row.accuracy)}
        if sessions in (None, len(row.accuracy)):
            found["final_accuracy"] = row.accuracy[-1]
            found["average_accuracy"] = fmean(row.accuracy)
            found["performance_drop"] = row.accuracy[0] - row.accuracy[-1]
    if row.self_test:
        found |= {f"self_test.{index}": value for index, value in enumerate(row.self_test)}
        if sessions in (None, len(row.self_test)):
            found["self_test"] = row.self_test[-1]
    for criterion, upgrade in (row.upgrade or {}).items():
        found |= {f"{criterion}.{part}": getattr(upgrade, part) for part in UPGRADE_PARTS}
    return {key: value for key, value in found.items() if value is not None}
