"""The last upgrade that a run measured, by any of its criteria."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from clsim.utils.numbers import finite


class Upgrade(NamedTuple):
    """Figures of one upgrade by one criterion, as fractions.

    Attributes:
        versions: Number of versions of the model, the new one included.
        old_old: Queries and gallery by the version before.
        new_old: Queries by the new version, gallery by the one before.
        new_new: Queries and gallery by the new version.

    """

    versions: int
    old_old: float
    new_old: float
    new_new: float

    @property
    def compatible(self) -> bool:
        """Whether queries by the new model find more in the old gallery than those by the old one."""
        return self.new_old > self.old_old


def further_criteria(rows: Sequence[Mapping[str, Any]], criterion: str) -> list[str]:
    """Return the names of all other criteria: those with a matrix first, then those of ``also``.

    Args:
        rows: Rows of a comparison, ``{"seeds": [results, ...]}`` each.
        criterion: Criterion of the compatibility matrix.

    """
    everything = [results for row in rows for results in row["seeds"]]
    names = [name for results in everything for name in results.get("matrices") or {}]
    names += [name for results in everything for record in tested(results) for name in record.get("also") or {}]
    return [name for name in dict.fromkeys(names) if name != criterion]


def last_upgrade(results: Mapping[str, Any], criterion: str | None) -> Upgrade | None:
    """Compare the last version of a complete run with the one before; ``None`` if they were not both measured.

    Args:
        results: Content of ``results.json``.
        criterion: Name of a further criterion; ``None`` for that of the compatibility matrix.

    """
    if results.get("status") != "complete":
        return None
    if criterion is None:
        matrix = results.get("compatibility_matrix") or []
    else:
        also = [(record.get("also") or {}).get(criterion) or [] for record in tested(results)]
        matrix = (results.get("matrices") or {}).get(criterion) or also
    new = len(matrix) - 1
    if new < 1 or len(matrix[new]) <= new or len(matrix[new - 1]) < new:
        return None
    figures = [finite(value) for value in (matrix[new - 1][new - 1], matrix[new][new - 1], matrix[new][new])]
    known = [value for value in figures if value is not None]
    return Upgrade(new + 1, *known) if len(known) == len(figures) else None


def tested(results: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the compatibility records of the sessions that have one."""
    records = [record.get("compatibility") for record in results.get("sessions") or []]
    return [record for record in records if record]
