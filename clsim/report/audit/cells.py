"""Cells of an audit's tables: figures with intervals, costs, and values of any key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from clsim.auditing import Cost
from clsim.metrics.functional.bootstrap import Estimate
from clsim.report.table import NOTHING, Cell, exact, signed, words
from clsim.utils.numbers import count, duration, finite, four_digits, mebibytes

FRACTIONS = ("recall", "ndcg", "cmc", "overlap", "kept", "fraction", "validation", "keep", "confidence", "migrated")
"""First words of keys whose values are fractions, shown in percent."""


class Priced(NamedTuple):
    """A cost in a table.

    Attributes:
        key: Field of :class:`~clsim.auditing.Cost`.
        heading: Heading of its column, on one or two lines.
        form: Format of its values.

    """

    key: str
    heading: str
    form: Callable[[object], str]

    @property
    def title(self) -> str:
        """Heading on one line."""
        return self.heading.replace("\n", " ")

    def cell(self, cost: Cost) -> Cell:
        """Return the cost of an arrangement."""
        value = finite(getattr(cost, self.key))
        return NOTHING if value is None else Cell(self.form(value), value)


def milliseconds(value: object) -> str:
    """Format milliseconds with as much precision as their size needs.

    Example:
        >>> milliseconds(0.0123), milliseconds(12.34), milliseconds(1234.5)
        ('0.0123', '12.3', '1,234')

    """
    number = finite(value)
    if number is None:
        return "-"
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def money(value: object) -> str:
    """Format a price without its currency.

    Example:
        >>> money(1234.5), money(0.0004)
        ('1,234.50', '0.0004')

    """
    number = finite(value)
    if number is None:
        return "-"
    return four_digits(number) if 0 < abs(number) < 0.01 else f"{number:,.2f}"


COSTS = (
    Priced("embedded_items", "items\nto embed", count),
    Priced("embed_seconds", "embedding\ntime", duration),
    Priced("embed_money", "price", money),
    Priced("build_seconds", "mapping\ntime", duration),
    Priced("stored_bytes", "stored\nvectors", mebibytes),
    Priced("embeddings_per_query", "passes\nper query", count),
    Priced("query_ms_p50", "ms per query,\np50", milliseconds),
    Priced("query_ms_p99", "ms per query,\np99", milliseconds),
)
"""Costs in the order of their columns."""


def interval(estimate: Estimate, *, points: bool = False) -> Cell:
    """Return the interval of a fraction in percent, or of a gain in points.

    Example:
        >>> interval(Estimate(0.5, 0.48, 0.521)).text
        '48.00 to 52.10'

    """
    low, high = (signed(end, colored=False) if points else exact(end) for end in estimate[1:])
    return Cell(f"{low.text} to {high.text}", estimate.low)


def with_interval(estimate: Estimate | None) -> Cell:
    """Return a fraction in percent with its interval.

    Example:
        >>> with_interval(Estimate(0.5, 0.48, 0.521)).text
        '50.00 (48.00 to 52.10)'

    """
    if estimate is None:
        return NOTHING
    return Cell(f"{exact(estimate.value).text} ({interval(estimate).text})", estimate.value)


def by_key(key: str, value: Any) -> Cell:
    """Return a value as its key suggests: a fraction in percent, a time, a number of bytes, a text.

    Example:
        >>> by_key("recall@10", 0.5).text, by_key("build_seconds", 90).text, by_key("items", 1200).text
        ('50.00', '1:30', '1,200')
        >>> by_key("recall@10", {"value": 0.5, "low": 0.48, "high": 0.52}).text
        '50.00 (48.00 to 52.00)'

    """
    if isinstance(value, Mapping):
        if {"value", "low", "high"} <= set(value):
            middle, low, high = (by_key(key, value[part]) for part in ("value", "low", "high"))
            return middle._replace(text=f"{middle.text} ({low.text} to {high.text})")
        return words(", ".join(f"{name} {by_key(name, each).text}" for name, each in value.items()))
    if isinstance(value, (list, tuple)):
        return words(", ".join(by_key(key, each).text for each in value))
    if isinstance(value, bool):
        return words("yes" if value else "no")
    number = finite(value)
    return words(value) if number is None else Cell(_form(key, value)(value), number)


def _form(key: str, value: object) -> Callable[[object], str]:
    if key.endswith("bytes"):
        return mebibytes
    if key.endswith("seconds"):
        return duration
    if "ms" in key.split("_"):
        return milliseconds
    if key.startswith(FRACTIONS) and isinstance(value, float):
        return lambda fraction: exact(fraction).text
    return count if isinstance(value, int) else four_digits
