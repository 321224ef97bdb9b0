"""The service view as text: search on a gallery that nobody re-indexed, session by session. No escape codes here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from clsim.experiment.events import Record
from clsim.report.figures import DASH, count, duration, finite, percent
from clsim.report.table import Table, column

BARS = "▁▂▃▄▅▆▇█"
ORDERS = {"random": "in random order", "best_first": "best first"}
NOTHING, EVERYTHING, NO_UPDATE = "nothing re-indexed", "everything re-indexed", "model not updated"


COLUMNS: tuple[tuple[str, str, Callable[[object], str], int, str], ...] = (
    ("gallery\nimages", "gallery_items", count, 5, ""),
    ("nothing\nre-indexed", "accuracy", percent, 0, "ours"),
    ("everything\nre-indexed", "full_backfill", percent, 1, ""),
    ("model not\nupdated", "no_update", percent, 2, ""),
    ("images not\nre-processed", "images_not_reprocessed", count, 3, ""),
    ("device time\nsaved", "device_seconds_saved", duration, 4, ""),
)
"""Heading, key, format, rank and style of every figure."""


def service_table(records: Sequence[Record]) -> Table:
    """Return the service's figures of every session that has them."""
    known = [record for record in records if record.get("service")]
    columns = [column("session", (str(record.get("session", DASH)) for record in known))]
    for heading, key, write, rank, style in COLUMNS:
        texts = (write(record["service"].get(key)) for record in known)
        columns.append(column(heading, texts, rank=rank, style=style))
    return Table("service", tuple(columns))


def service_sentence(service: Mapping[str, Any]) -> str:
    """One session's figures in a line."""
    figures = {NOTHING: "accuracy", EVERYTHING: "full_backfill", NO_UPDATE: "no_update"}
    known = [f"{name} {percent(service.get(key))}" for name, key in figures.items()]
    return ", ".join([*known, spared(service)])


def spared(figures: Mapping[str, Any]) -> str:
    """``12,000 images not re-processed, 1:12 of device time saved``, of a session or of a whole run."""
    return (
        f"{count(figures.get('images_not_reprocessed'))} images not re-processed, "
        f"{duration(figures.get('device_seconds_saved'))} of device time saved"
    )


def backfill_rows(backfill: Mapping[str, Any] | None, *, bars: bool = True) -> list[tuple[str, ...]]:
    """The backfill curves: a heading and a row for each order; empty where there is nothing to re-index.

    A row holds its name, the curve as bars (from the lowest figure of both orders to the highest), the accuracy with
    nothing, half and all of the old entries re-indexed, and the area under the curve.
    """
    curves = {name: list((backfill or {}).get(key) or []) for key, name in ORDERS.items()}
    known = [value for curve in curves.values() for value in map(finite, curve) if value is not None]
    fractions = list((backfill or {}).get("fractions") or [])
    if not known or not fractions:
        return []
    cuts = sorted({0, min(range(len(fractions)), key=lambda i: abs(fractions[i] - 0.5)), len(fractions) - 1})
    rows = [("re-indexed", *[""] * bars, *(f"{100 * fractions[i]:.0f}%" for i in cuts), "area")]
    for (key, name), curve in zip(ORDERS.items(), curves.values(), strict=True):
        if curve:
            figures = [percent(curve[i] if i < len(curve) else None) for i in cuts]
            picture = [spark(curve, min(known), max(known))] * bars
            rows.append((name, *picture, *figures, percent((backfill or {}).get(f"area_{key}"))))
    return rows


def spark(values: Sequence[object], low: float, high: float) -> str:
    """A bar for each value, from `low` (the lowest bar) to `high` (the highest); a space where it is missing.

    >>> spark([0.5, None, 0.6, 0.7], 0.5, 0.7)
    '▁ ▅█'
    """
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    known = [finite(value) for value in values]
    return "".join(" " if v is None else BARS[min(7, max(0, round((v - low) * scale)))] for v in known)
