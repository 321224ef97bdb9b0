"""Compatibility, replacements and custom metrics of a session's record as text, without escape codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clsim.experiment.events import Record
from clsim.report.figures import several
from clsim.utils.numbers import DASH, duration, finite, percent, points
from clsim.utils.text import clean


def compatibility_figures(compatibility: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Return name and figure of everything known of one version.

    Args:
        compatibility: ``compatibility`` of a session's record; None if it was not measured.

    """
    known = compatibility or {}
    constraints = known.get("constraints") or {}
    rows = [
        ("self-test", percent(known.get("self_test"))),
        ("AC", percent(known.get("ac"))),
        ("compatible pairs", _pairs(known)),
        ("AM", percent(known.get("am"))),
        ("points over first", points(known.get("against_first"))),
        ("BC in points", points(known.get("backward_compatibility"))),
        ("update gain", percent(known.get("update_gain"))),
        ("negative flips", percent(known.get("negative_flip_rate"))),
        ("positive flips", percent(known.get("positive_flip_rate"))),
        ("relative negative flips", percent(known.get("relative_negative_flip_rate"))),
        ("recall of re-indexed results", percent(known.get("reindex_recall"))),
        ("own class nearer", percent(constraints.get("same_class"))),
        ("others farther", percent(constraints.get("different_class"))),
    ]
    for name, row in (known.get("also") or {}).items():
        both = len(row) > 1
        label = f"{clean(name)}, {'gallery before / own' if both else 'own gallery'}"
        rows.append((label, " / ".join(map(percent, row[-2:]))))
    return [(name, figure) for name, figure in rows if figure != DASH]


def replacement_sentences(record: Record) -> list[str]:
    """Return ``model replaced by v2 after 120 iterations, 12 s in`` for each replacement of a session."""
    known = record.get("replacements")
    if not known:
        name = record.get("replaced_by")
        return [f"model replaced by {clean(name)}"] if name else []
    return [f"model replaced by {clean(item.get('model'))} {_when(item)}{_how(item)}" for item in known]


def diagnostic_sentences(record: Record) -> list[str]:
    """Return ``orthogonality error 2.4e-07`` for each figure that a model reports of itself."""
    known = {name: finite(value) for name, value in (record.get("diagnostics") or {}).items()}
    return [f"{clean(name).replace('_', ' ')} {value:.1e}" for name, value in known.items() if value is not None]


def metric_sentences(record: Record) -> list[str]:
    """Return ``confidence 0.7313`` for each custom metric."""
    known = {name: finite(value) for name, value in (record.get("metrics") or {}).items()}
    return [f"{clean(name)} {value:.4g}" for name, value in known.items() if value is not None]


def replaced_versions(records: Sequence[Record]) -> frozenset[int]:
    """Return the versions of sessions with a replacement."""
    return frozenset(
        index for index, record in enumerate(records) if record.get("replaced_by") or record.get("replacements")
    )


def _when(item: Mapping[str, Any]) -> str:
    iterations = finite(item.get("after_iterations")) or 0
    if not iterations:
        return "before the session"
    seconds = finite(item.get("seconds"))
    return f"after {several(int(iterations), 'iteration')}" + (f", {duration(seconds)} in" if seconds else "")


def _how(item: Mapping[str, Any]) -> str:
    """Return where the projection was fitted; nothing if the model came with it."""
    return ", its projection into the simplex fitted here" if item.get("projection") == "fitted" else ""


def _pairs(known: Mapping[str, Any]) -> str:
    """Return ``20 of 21``: AC is a share of all pairs of versions so far, so it gives their number."""
    versions, ac = len(known.get("cross_tests") or []) + 1, finite(known.get("ac"))
    pairs = versions * (versions - 1) // 2
    return DASH if ac is None or not pairs else f"{round(ac * pairs)} of {pairs}"
