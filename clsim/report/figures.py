"""Texts that the console, the page and comparisons share, without escape codes."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from clsim.experiment.events import Record
from clsim.metrics.functional.statistics import mean_and_deviation
from clsim.utils.numbers import count, finite, percent
from clsim.utils.text import clean

SEPARATOR = " · "
SPREAD = "mean and standard deviation (n - 1) over the seeds"
DEFAULT_FIX = "`clsim data status` shows what is missing and how to get it; --strict refuses a stand-in."


def over_seeds(fractions: Sequence[float]) -> str:
    """Return mean and standard deviation, see `SPREAD`: [0.7, 0.72, 0.74] -> ``72.00±2.00%``; one figure alone."""
    if len(fractions) < 2:
        return percent(fractions[0] if fractions else None)
    mean, deviation = mean_and_deviation(fractions)
    return f"{percent(mean).rstrip('%')}±{100 * deviation:.2f}%"


def done_of(done: int, begun: int) -> str:
    """Return ``3``, or ``2 of 3`` if not all are done."""
    return str(done) if done == begun else f"{done} of {begun}"


def several(value: int, noun: str) -> str:
    """Return ``1 class``, ``1,200 images``."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{value:,} {noun if value == 1 else plural}"


def brought(new_classes: int, images: int) -> str:
    """Return the new classes and images of a session; images with captions have no classes.

    Example:
        >>> brought(5, 25), brought(0, 1000)
        ('5 new classes, 25 images', '1,000 images')

    """
    classes = f"{several(new_classes, 'new class')}, " if new_classes else ""
    return f"{classes}{several(images, 'image')}"


def packed(parts: Sequence[str], width: int) -> list[str]:
    """Return the parts in a row on as few lines of `width` characters as possible; only longer parts are split.

    >>> packed(["5 new classes", "25 images", "AC 95.24%"], 26)
    ['5 new classes · 25 images', 'AC 95.24%']
    """
    lines: list[str] = []
    for part in parts:
        longer = f"{lines[-1]}{SEPARATOR}{part}" if lines else part
        if lines and len(longer) <= width:
            lines[-1] = longer
        else:
            lines += textwrap.wrap(part, width)
    return lines


def class_ids(ids: Sequence[int], limit: int = 8) -> str:
    """Return ``60 to 64`` for a range, else the first few ids."""
    if not ids:
        return ""
    if len(ids) > 2 and list(ids) == list(range(ids[0], ids[0] + len(ids))):
        return f"{ids[0]} to {ids[-1]}"
    return ", ".join(map(str, ids[:limit])) + (", ..." if len(ids) > limit else "")


def total_seconds(record: Record) -> float | None:
    """Return the seconds of a session, training and evaluation together."""
    train, evaluation = finite(record.get("train_seconds")), finite(record.get("eval_seconds"))
    return None if train is None and evaluation is None else (train or 0.0) + (evaluation or 0.0)


def images_per_second(record: Record) -> float | None:
    """Return the training throughput of a session; None if nothing was trained."""
    images, seconds = finite(record.get("images_trained")), finite(record.get("train_seconds"))
    return images / seconds if images and seconds else None


def published_at(published: Sequence[float] | None, session: int) -> float | None:
    """Return the published accuracy of a session; None beyond the end of the row."""
    return finite(published[session]) if published and 0 <= session < len(published) else None


def stand_in_sentences(scenario: str, missing: Mapping[str, Any] | None) -> list[str]:
    """Return the notice of a stand-in: what runs, why, and how to run the real scenario; else nothing."""
    if not missing:
        return []
    return [
        f"{clean(scenario)} runs in place of {clean(missing.get('scenario'))}.",
        f"Why: {clean(missing.get('because')).removesuffix('.')}.",
        f"For the real thing: {clean(missing.get('fix') or DEFAULT_FIX)}",
    ]


def validation_sentence(validation: Mapping[str, Any] | None) -> str:
    """Return the notice of an evaluation on held-out training images; else nothing."""
    if not validation:
        return ""
    images, classes = count(validation.get("images")), count(validation.get("classes"))
    drawn = f"share {validation.get('share')}, seed {validation.get('seed')}"
    what = f"{images} training images of {classes} classes that were held out ({drawn})"
    return f"Evaluated on {what}: no figure here is a test result."
