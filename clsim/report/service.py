"""The search service as tables and sentences: retrieval from a gallery that was never re-indexed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clsim.experiment.events import Record
from clsim.report.table import Column, Table, column
from clsim.results.figures import figure
from clsim.utils.numbers import DASH, count, duration, finite, percent

BARS = "▁▂▃▄▅▆▇█"
ORDERS = {"random": "in random order", "best_first": "best first"}
RANKS = {
    "gallery_items": 5,
    "service_accuracy": 0,
    "full_backfill": 1,
    "no_update": 2,
    "images_not_reprocessed": 3,
    "device_seconds_saved": 4,
}
"""Figures in columns with their ranks."""


def service_table(records: Sequence[Record]) -> Table:
    """Return the service's figures of every session that has them."""
    known = [record for record in records if record.get("service")]
    columns = [column("session", (str(record.get("session", DASH)) for record in known))]
    for key, rank in RANKS.items():
        each, style = figure(key), "ours" if key == "service_accuracy" else ""
        texts = (each.text(each.of_session(record)) for record in known)
        columns.append(column(each.short, texts, rank=rank, style=style))
    return Table("service", tuple(columns))


def service_sentence(service: Mapping[str, Any]) -> str:
    """Return one session's figures in a line."""
    keys = {"service_accuracy": "accuracy", "full_backfill": "full_backfill", "no_update": "no_update"}
    names = {key: figure(key).short.replace("\n", " ") for key in keys}
    known = [f"{names[key]} {percent(service.get(place))}" for key, place in keys.items()]
    return ", ".join([*known, saved(service)])


def saved(figures: Mapping[str, Any]) -> str:
    """Return ``12,000 images not re-processed, 1:12 of device time saved`` for a session or a whole run."""
    return (
        f"{count(figures.get('images_not_reprocessed'))} images not re-processed, "
        f"{duration(figures.get('device_seconds_saved'))} of device time saved"
    )


def backfill_table(backfill: Mapping[str, Any] | None) -> Table | None:
    """Return the backfill curves, a row for each order; None if there is nothing to re-index.

    A row holds its name, the curve as bars (from the lowest figure of both orders to the highest), the accuracy with
    none, half and all of the old entries re-indexed, and the area under the curve.
    """
    noted = backfill or {}
    curves = {key: list(noted[key]) for key in ORDERS if noted.get(key)}
    known = [value for curve in curves.values() for value in map(finite, curve) if value is not None]
    fractions = list(noted.get("fractions") or [])
    if not known or not fractions:
        return None
    cuts = sorted({0, min(range(len(fractions)), key=lambda i: abs(fractions[i] - 0.5)), len(fractions) - 1})
    bars = tuple(spark(curve, min(known), max(known)) for curve in curves.values())
    columns: list[Column] = [
        column("re-indexed", (ORDERS[key] for key in curves), left=True),
        column("", bars, rank=1, style="ours"),
    ]
    for i in cuts:
        texts = (percent(curve[i] if i < len(curve) else None) for curve in curves.values())
        columns.append(column(f"{100 * fractions[i]:.0f}%", texts))
    columns.append(column("area", (percent(noted.get(f"area_{key}")) for key in curves)))
    return Table("backfill", tuple(columns))


def spark(values: Sequence[object], low: float, high: float) -> str:
    """Return a bar for each value from `low` to `high`; a space for a missing value.

    >>> spark([0.5, None, 0.6, 0.7], 0.5, 0.7)
    '▁ ▅█'
    """
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    known = [finite(value) for value in values]
    return "".join(" " if v is None else BARS[min(7, max(0, round((v - low) * scale)))] for v in known)
