"""Settings of an audit and the prices of an operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le

from clsim.models.bridges.registry import DEFAULT_BRIDGES
from clsim.utils.arguments import Count, Fraction, NotNegative, Seed, checked_fields


@dataclass(frozen=True)
class Prices:
    """What an operator pays, for the cost of each arrangement. None: not known, and left out.

    Attributes:
        old_seconds: Seconds to embed 1,000 items with the old model.
        new_seconds: Seconds to embed 1,000 items with the new model.
        old_money: Price of embedding 1,000 items with the old model, in any currency.
        new_money: Price of embedding 1,000 items with the new model, in the same currency.
        items: Items of the whole collection; None: those of the audit.

    Example:
        >>> Prices(new_seconds=20.0).new_seconds
        20.0

    """

    old_seconds: NotNegative | None = None
    new_seconds: NotNegative | None = None
    old_money: NotNegative | None = None
    new_money: NotNegative | None = None
    items: Count | None = None

    def __post_init__(self) -> None:
        checked_fields(self)


@dataclass(frozen=True)
class AuditSettings:
    """Settings of an audit; the defaults suit 10,000 to a million items.

    Attributes:
        k: Length of the lists that a user of the search sees.
        bridges: Bridges to fit, by name, see :data:`clsim.models.bridges.BRIDGES`.
        fit: Most pairs that bridges are fitted to.
        validation: Most pairs that choose a bridge and calibrate scores.
        queries: Most queries that measure.
        sample: Most queries that measure a bridge which validation did not choose.
        all_bridges: Largest gallery in which bridges that validation did not choose are measured too.
        candidates: Items that the old index proposes to the new model in a cascade.
        migrated: Fraction of the items that are re-indexed in the figures of a partial or mixed index.
        steps: Points of a curve of re-indexing after the first.
        keep: Fraction of the re-indexed quality that an arrangement must keep to be chosen.
        least_gain: Gain of the re-indexed quality over the present one below which nothing is done.
        confidence: Confidence level of the intervals.
        resamples: Resamples of the bootstrap.
        index_items: Most items for the effects of approximate indexes; 0: skip them.
        seed: Seed of every draw.

    Example:
        >>> AuditSettings(k=5).bridges[0]
        'identity'

    """

    k: Count = 10
    bridges: Sequence[str] = DEFAULT_BRIDGES
    fit: Count = 20_000
    validation: Count = 50_000
    queries: Count = 5_000
    sample: Count = 1_000
    all_bridges: Annotated[int, Ge(0)] = 200_000
    candidates: Count = 200
    migrated: Fraction = 0.5
    steps: Count = 10
    keep: Annotated[float, Gt(0), Le(1)] = 0.95
    least_gain: Fraction = 0.01
    confidence: Annotated[float, Gt(0), Le(0.9999)] = 0.95
    resamples: Annotated[int, Ge(100)] = 2000
    index_items: Annotated[int, Ge(0)] = 10_000
    seed: Seed = 0

    def __post_init__(self) -> None:
        checked_fields(self)
