"""Record of an audit: what was measured, what it costs, and the verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from clsim.auditing.summary import summary, summary_html
from clsim.metrics.functional.bootstrap import Estimate
from clsim.utils.errors import ArgumentError
from clsim.utils.files import atomic

FORMAT = 1
"""Format of ``audit.json``."""
FILE = "audit.json"

Choice = Literal["do_nothing", "swap", "bridge", "map_gallery", "cascade", "migrate", "reindex", "cannot_tell"]
"""What a verdict can say."""


@dataclass(frozen=True)
class Curve:
    """Quality while the gallery is re-indexed.

    Attributes:
        fractions: Fractions of the items that are re-indexed.
        values: Primary figure at each of them.
        area: Area under the curve.

    """

    fractions: tuple[float, ...]
    values: tuple[float, ...]
    area: float


@dataclass(frozen=True)
class Cost:
    """What an arrangement costs. None: it cannot be known from the input.

    Attributes:
        embedded_items: Items of the gallery that the new model embeds before the arrangement serves.
        embed_seconds: Time of that.
        embed_money: Price of that.
        embeddings_per_query: Passes of a model for one query: the query itself and items that are ranked again.
        stored_bytes: Bytes of stored vectors, without the overhead of an index.
        build_seconds: Time to map or write the vectors, measured and scaled to all items.
        query_ms_p50: Median time of one query without its embedding, measured.
        query_ms_p99: Time that 99 % of the queries stay below.

    """

    embedded_items: int = 0
    embed_seconds: float | None = None
    embed_money: float | None = None
    embeddings_per_query: int = 1
    stored_bytes: int | None = None
    build_seconds: float | None = None
    query_ms_p50: float | None = None
    query_ms_p99: float | None = None


@dataclass(frozen=True)
class Arrangement:
    """One way to serve queries, with its quality and its cost.

    Attributes:
        name: Name, such as ``naive_swap``.
        bridge: Bridge in it; None without one.
        figures: Figures by name, such as ``recall@10``, fractions with intervals.
        queries: Number of queries that measured it.
        kept: Primary figure divided by that of full re-indexing, with its interval.
        gain: Primary figure minus that of doing nothing, with its interval.
        cost: Cost.
        curve: Quality while the gallery is re-indexed; None if nothing is.

    """

    name: str
    bridge: str | None
    figures: Mapping[str, Estimate]
    queries: int
    kept: Estimate
    gain: Estimate
    cost: Cost = field(default_factory=Cost)
    curve: Curve | None = None


@dataclass(frozen=True)
class BridgeScore:
    """Bridge that was fitted.

    Attributes:
        name: Kind.
        side: What it maps: ``query`` or ``gallery``.
        validation: Primary figure on validation pairs, which chooses.
        cosine: Mean cosine of mapped rows and their targets on validation pairs.
        seconds: Time to fit.

    """

    name: str
    side: str
    validation: float
    cosine: float
    seconds: float


@dataclass(frozen=True)
class Verdict:
    """What to do with the stored vectors.

    Attributes:
        choice: Choice.
        because: Reason, in a sentence or two with figures.
        arrangement: Name of the arrangement that serves the choice; with ``cannot_tell``, the safe one.
        bridge: Bridge in it; None without one.
        fraction: Fraction of items to re-index with ``migrate``; None otherwise.
        undecided: Name of the cheaper arrangement that may be enough; None if the intervals decide.
        queries_needed: Estimated number of queries that would decide; None if they do, or no number would.

    """

    choice: Choice
    because: str
    arrangement: str
    bridge: str | None = None
    fraction: float | None = None
    undecided: str | None = None
    queries_needed: int | None = None


@dataclass(frozen=True)
class Audit:
    """Result of an audit.

    Attributes:
        verdict: Verdict.
        primary: Name of the figure that decides, such as ``recall@10``.
        arrangements: Arrangements in the order of their cost.
        bridges: Fitted bridges.
        bound: Bound on what any rotation can achieve: ``delta``, ``error``, ``cosine`` and ``informative``.
        indexes: Rows on approximate indexes and shortened vectors, see :mod:`clsim.auditing.indexes`.
        inputs: Number of items and queries, widths, types, what counts as right, and names of the files.
        settings: Settings.
        notes: What was handled, in sentences.
        seconds: Time of each stage.
        seed: Seed.

    """

    verdict: Verdict
    primary: str
    arrangements: tuple[Arrangement, ...]
    bridges: tuple[BridgeScore, ...]
    bound: Mapping[str, Any]
    indexes: tuple[Mapping[str, Any], ...]
    inputs: Mapping[str, Any]
    settings: Mapping[str, Any]
    notes: tuple[str, ...]
    seconds: Mapping[str, float]
    seed: int

    def arrangement(self, name: str, bridge: str | None = None) -> Arrangement:
        """Return an arrangement by name, and by bridge where several have the name.

        Raises:
            ArgumentError: There is none.

        """
        for each in self.arrangements:
            if each.name == name and bridge in (None, each.bridge):
                return each
        known = ", ".join(dict.fromkeys(each.name for each in self.arrangements))
        raise ArgumentError(f"no arrangement {name!r} with bridge {bridge!r}", fix=f"There are {known}.")

    @property
    def chosen(self) -> Arrangement:
        """Arrangement of the verdict; with ``cannot_tell``, the safe one."""
        return self.arrangement(self.verdict.arrangement, self.verdict.bridge)

    def __str__(self) -> str:
        """Return the verdict, its reason and the arrangements in about ten lines."""
        return summary(self.to_dict())

    def _repr_html_(self) -> str:
        """Return the same for a notebook."""
        return summary_html(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``audit.json``."""
        return {"format": FORMAT, **plain_value(asdict(self))}

    def save(self, directory: Path) -> Path:
        """Write ``audit.json`` into a directory and return its path."""
        path = directory / FILE
        with atomic(path) as unfinished:
            unfinished.write_text(json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n", encoding="utf-8")
        return path


def plain_value(value: Any) -> Any:
    """Return a value as JSON has it: intervals as objects, tuples as lists.

    Example:
        >>> plain_value({"recall": Estimate(0.5, 0.25, 0.75), "names": ("a",)})
        {'recall': {'value': 0.5, 'low': 0.25, 'high': 0.75}, 'names': ['a']}

    """
    if isinstance(value, Estimate):
        return {"value": value.value, "low": value.low, "high": value.high}
    if isinstance(value, Mapping):
        return {str(key): plain_value(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain_value(each) for each in value]
    return value
