"""The service view as text: search on a gallery that nobody re-indexed, session by session. No escape codes here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from clsim.experiment.events import Record
from clsim.report.figures import DASH, count, duration, finite, percent
from clsim.report.table import Column, Sessions

BARS = "▁▂▃▄▅▆▇█"
ORDERS = {"random": "in random order", "best_first": "best first"}
NOTHING, EVERYTHING, NO_UPDATE = "nothing re-indexed", "everything re-indexed", "model not updated"


def _of(key: str, write: Callable[[object], str] = percent) -> Callable[[Record, float | None], str]:
    return lambda record, published: write((record.get("service") or {}).get(key))


COLUMNS = (
    Column(("", "session"), 0, lambda record, published: str(record.get("session", DASH))),
    Column(("gallery", "images"), 5, _of("gallery_items", count)),
    Column(("nothing", "re-indexed"), 0, _of("accuracy"), tint="ours"),
    Column(("everything", "re-indexed"), 1, _of("full_backfill")),
    Column(("model not", "updated"), 2, _of("no_update")),
    Column(("images not", "re-processed"), 3, _of("images_not_reprocessed", count)),
    Column(("device time", "saved"), 4, _of("device_seconds_saved", duration)),
)


def service_table(records: Sequence[Record]) -> Sessions:
    """The service's figures of every session that has them."""
    rows = [tuple(c.cell(record, None) for c in COLUMNS) for record in records if record.get("service")]
    return Sessions(COLUMNS, tuple(rows))


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
