"""The registry of figures: the name, unit, direction and place of everything that a run measures.

Console, report, comparison, trackers and ``clsim list metrics`` take names, order and formats from here. A figure from
outside clsim is one call of :func:`register`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from clsim.utils.errors import ArgumentError
from clsim.utils.extensions import load_extensions
from clsim.utils.numbers import count, duration, finite, flops, four_digits, mebibytes, percent, points

Reader = Callable[[Mapping[str, Any]], object]
Unit = Literal["percent", "points", "number", "seconds", "count", "bytes", "flops"]
Better = Literal["higher", "lower"]
Group = Literal["", "accuracy", "calibration", "compatibility", "upgrade", "service", "cost"]

FORMATS: Mapping[Unit, Callable[[object], str]] = {
    "percent": percent,
    "points": points,
    "number": four_digits,
    "seconds": duration,
    "count": count,
    "bytes": mebibytes,
    "flops": flops,
}
INDEPENDENT_GAIN = "update_gain_independent"
"""Update gain with the independent strategy's new model as upper bound; only several runs together give it."""
CUSTOM = "metrics."
"""Prefix of the keys of custom metrics."""
UPGRADE_PARTS = {"old_old": "old/old", "new_old": "new/old", "new_new": "new/new"}
"""Last part of the keys ``CRITERION.old_old``, ...: who queries, and whose gallery."""
_AFTER_SESSION = re.compile(r"(\w+)\.(\d+)")
_KEY = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Figure:
    """A figure: where it stands in the results, and how people read it.

    Attributes:
        key: Its name in files and settings.
        label: Its name on screen.
        short: Heading of its column, with a line break where it may be broken; the label if empty.
        unit: Unit of the values; ``percent`` and ``points`` are stored as fractions.
        better: Direction of an improvement; ``None`` where there is none.
        meaning: One sentence for ``clsim list metrics``.
        session: Returns its value from a session's record; ``None`` if sessions do not have it.
        run: Returns its value from the content of ``results.json``; ``None`` if runs do not have it.
        at_end: Whether the value after the last session is a figure of the whole run.
        by_session: Whether a comparison shows it after every session.
        group: What must have been measured for a column of the console to show it.
        importance: Column of the console's table of sessions: 0 always stays; where the table is too wide, the highest
            goes first. ``None``: no column.
        tracker: Its name in trackers; empty for the path in the record.

    """

    key: str
    label: str
    short: str = ""
    unit: Unit = "percent"
    better: Better | None = "higher"
    meaning: str = ""
    session: Reader | None = None
    run: Reader | None = None
    at_end: bool = False
    by_session: bool = False
    group: Group = ""
    importance: int | None = None
    tracker: str = ""

    def of_session(self, record: Mapping[str, Any]) -> float | None:
        """Return the value after a session; ``None`` if it was not measured."""
        return None if self.session is None else finite(self.session(record))

    def of_run(self, results: Mapping[str, Any]) -> float | None:
        """Return the value of a whole run; ``None`` if it was not measured."""
        if self.run is not None:
            return finite(self.run(results))
        sessions = results.get("sessions")
        return self.of_session(sessions[-1]) if self.at_end and sessions else None

    def text(self, value: object, *, signed: bool = False) -> str:
        """Format a value, or a signed difference of two values."""
        if not signed:
            return FORMATS[self.unit](value)
        if self.unit in ("percent", "points"):
            return points(value)
        text = FORMATS[self.unit](value)
        return f"+{text}" if (finite(value) or 0.0) > 0 else text

    @property
    def heading(self) -> tuple[str, str]:
        """The heading of its column on two lines; the first is empty if one line is enough."""
        first, _, second = (self.short or self.label).rpartition("\n")
        return first, second

    @property
    def label_of_run(self) -> str:
        """Its name among the figures of a whole run."""
        return f"{self.label} at the end" if self.at_end else self.label


def at(*keys: str) -> Reader:
    """Return a reader of the value under nested keys, ``None`` where a block is missing.

    Example:
        >>> at("compatibility", "ac")({"compatibility": {"ac": 0.5}}), at("service", "accuracy")({"service": None})
        (0.5, None)

    """

    def read(content: Mapping[str, Any]) -> object:
        value: object = content
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    return read


def over_sessions(key: str, combine: Callable[[Iterable[float]], float]) -> Reader:
    """Return a reader of a figure of all sessions of a run together, ``None`` where a session does not have it.

    Args:
        key: Key in the record of a session.
        combine: Function of the values of all sessions, such as `sum`.

    Example:
        >>> over_sessions("iterations", sum)({"sessions": [{"iterations": 2}, {"iterations": 3}]})
        5.0
        >>> over_sessions("train_flops", sum)({"sessions": [{"train_flops": None}]}) is None
        True

    """

    def read(results: Mapping[str, Any]) -> object:
        values = [finite(record.get(key)) for record in results.get("sessions") or []]
        known = [value for value in values if value is not None]
        return combine(known) if known and len(known) == len(values) else None

    return read


BUILT_IN = (
    Figure("accuracy", "accuracy", by_session=True, group="accuracy", importance=0, tracker="accuracy/seen",
           meaning="Share of the test images of all classes seen so far that are classified right.",
           session=at("accuracy")),
    Figure("final_accuracy", "final accuracy", "final\naccuracy", group="accuracy",
           meaning="Accuracy after the last session.", run=at("summary", "final_accuracy")),
    Figure("average_accuracy", "average accuracy", "average\naccuracy", group="accuracy",
           meaning="Mean of the accuracies after each session.", run=at("summary", "average_accuracy")),
    Figure("average_accuracy_weighted", "average accuracy, weighted", "average,\nweighted", group="accuracy",
           meaning="The same, weighted by the number of test images.", run=at("summary", "average_accuracy_weighted")),
    Figure("performance_drop", "performance drop", "drop", better="lower", group="accuracy",
           meaning="Accuracy after the base session minus accuracy after the last one.",
           run=at("summary", "performance_drop")),
    Figure("average_forgetting", "average forgetting", "forgetting", better="lower", group="accuracy",
           meaning="Mean of the forgetting after each session, from the best earlier accuracy.",
           run=at("summary", "average_forgetting")),
    Figure("generalized_accuracy", "generalized accuracy (gAcc)", "gAcc", group="accuracy",
           meaning="Mean accuracy over all weights of the base session against the later ones: the area under gAcc.",
           run=at("summary", "generalized_accuracy")),
    Figure("base_accuracy", "base classes", "base", group="accuracy", importance=5, tracker="accuracy/base",
           meaning="Accuracy on the classes of the base session.", session=at("base_accuracy"), at_end=True),
    Figure("novel_accuracy", "novel classes", "novel", group="accuracy", importance=6, tracker="accuracy/novel",
           meaning="Accuracy on the classes of all later sessions.", session=at("novel_accuracy"), at_end=True),
    Figure("harmonic_mean", "harmonic mean", "harmonic\nmean", group="accuracy", importance=9,
           tracker="accuracy/harmonic_mean", meaning="Harmonic mean of the accuracies on base and novel classes.",
           session=at("harmonic_mean"), at_end=True),
    Figure("forgetting_from_best", "forgetting from best", "forgetting\nfrom best", better="lower", group="accuracy",
           importance=10, meaning="Mean loss on earlier sessions since their best accuracy.",
           session=at("forgetting", "from_best")),
    Figure("forgetting_from_first", "forgetting from first", "forgetting\nfrom first", better="lower",
           group="accuracy", importance=12, meaning="Mean loss on earlier sessions since they were learned.",
           session=at("forgetting", "from_first")),
    Figure("ece", "calibration error (ECE)", "ECE", better="lower", group="calibration", importance=15,
           tracker="calibration/ece",
           meaning="Mean distance of the confidence of predictions and their accuracy, over 15 bins of confidence.",
           session=at("calibration", "ece"), at_end=True),
    Figure("nll", "negative log-likelihood (NLL)", "NLL", "number", "lower", group="calibration",
           tracker="calibration/nll", meaning="Mean negative logarithm of the probability of the right class, in nats.",
           session=at("calibration", "nll"), at_end=True),
    Figure("brier", "Brier score", "Brier", "number", "lower", group="calibration",
           tracker="calibration/brier",
           meaning="Mean squared distance of the probabilities from the right answer, from 0 to 2.",
           session=at("calibration", "brier"), at_end=True),
    Figure("self_test", "self-test", by_session=True, group="compatibility", importance=8,
           meaning="Retrieval with queries and gallery by the same version of the model.",
           session=at("compatibility", "self_test"), at_end=True),
    Figure("ac", "average compatibility (AC)", "AC", group="compatibility", importance=3,
           meaning="Share of the version pairs whose cross-test exceeds the older version's self-test.",
           session=at("compatibility", "ac"), run=at("summary", "ac")),
    Figure("am", "average multi-model accuracy (AM)", "AM", group="compatibility", importance=4,
           meaning="Mean of all self-tests and cross-tests.",
           session=at("compatibility", "am"), run=at("summary", "am")),
    Figure("negative_flip_rate", "negative flips", "negative\nflips", better="lower", group="compatibility",
           importance=7, meaning="Share of the queries that the version before answered right and this one does not.",
           session=at("compatibility", "negative_flip_rate"), at_end=True),
    Figure("positive_flip_rate", "positive flips", "positive\nflips", group="compatibility", importance=13,
           meaning="Share of the queries that this version answers right and the one before did not.",
           session=at("compatibility", "positive_flip_rate"), at_end=True),
    Figure("relative_negative_flip_rate", "relative negative flips", "relative\nflips", better="lower",
           group="compatibility",
           meaning="Negative flips as a share of those of two models with independent errors.",
           session=at("compatibility", "relative_negative_flip_rate"), at_end=True),
    Figure("reindex_recall", "recall of re-indexed results", "re-index\nrecall", group="compatibility",
           meaning="Share of the 10 nearest items after a re-index that a search in the gallery before finds.",
           session=at("compatibility", "reindex_recall"), at_end=True),
    Figure("update_gain", "update gain", group="upgrade",
           meaning="Share of the possible gain that an upgrade reaches without re-indexing the gallery.",
           session=at("compatibility", "update_gain"), at_end=True),
    Figure(INDEPENDENT_GAIN, "update gain, independent", group="upgrade",
           meaning="The same, with the new model of the independent strategy as upper bound."),
    Figure("service_accuracy", "search service", "nothing\nre-indexed", group="service",
           meaning="Retrieval from a gallery that keeps the features of the version that indexed them.",
           session=at("service", "accuracy"), at_end=True),
    Figure("full_backfill", "search service, re-indexed", "everything\nre-indexed", group="service",
           meaning="Retrieval from the same gallery with all features by the latest version.",
           session=at("service", "full_backfill")),
    Figure("no_update", "search service, model not updated", "model not\nupdated", group="service",
           meaning="Retrieval with the first version for all queries and images.", session=at("service", "no_update")),
    Figure("gallery_items", "gallery images", "gallery\nimages", "count", None, group="service",
           meaning="Number of images in the gallery.", session=at("service", "gallery_items")),
    Figure("images_not_reprocessed", "images not re-processed", "images not\nre-processed", "count", group="service",
           meaning="Forward passes that re-indexing would have cost.",
           session=at("service", "images_not_reprocessed")),
    Figure("device_seconds_saved", "device time saved", "device time\nsaved", "seconds", group="service",
           meaning="Time on the device that re-indexing would have cost.",
           session=at("service", "device_seconds_saved")),
    Figure("iterations", "optimization steps", "optimization\nsteps", "count", None, group="cost",
           meaning="Steps of the optimizer in a session; of a run, in all.",
           session=at("iterations"), run=over_sessions("iterations", sum)),
    Figure("images_trained", "images trained", "images\ntrained", "count", None, group="cost",
           meaning="Images in all training batches of a session; of a run, in all.",
           session=at("images_trained"), run=over_sessions("images_trained", sum)),
    Figure("trainable_parameters", "trainable parameters", "trainable\nparameters", "count", "lower", group="cost",
           meaning="Number of parameters that receive a gradient; of a run, the most of a session.",
           session=at("trainable_parameters"), run=over_sessions("trainable_parameters", max)),
    Figure("train_seconds", "training time", "training\ntime", "seconds", "lower", group="cost",
           tracker="seconds/train", meaning="Time on the device to train a session; of a run, in all.",
           session=at("train_seconds"), run=over_sessions("train_seconds", sum)),
    Figure("eval_seconds", "evaluation time", "evaluation\ntime", "seconds", "lower", group="cost",
           tracker="seconds/evaluation", meaning="Time on the device to evaluate a session; of a run, in all.",
           session=at("eval_seconds"), run=over_sessions("eval_seconds", sum)),
    Figure("train_flops", "training FLOPs", "training\nFLOPs", "flops", "lower", group="cost",
           tracker="flops/train", meaning="Floating-point operations of all optimization steps.",
           session=at("train_flops"), run=over_sessions("train_flops", sum)),
    Figure("eval_flops", "evaluation FLOPs", "evaluation\nFLOPs", "flops", "lower", group="cost",
           tracker="flops/evaluation", meaning="Floating-point operations of all forward passes of the evaluation.",
           session=at("eval_flops"), run=over_sessions("eval_flops", sum)),
    Figure("peak_memory_bytes", "peak memory", "peak\nmemory", "bytes", "lower", group="cost",
           meaning="Most memory of the device in use at once.",
           session=at("peak_memory_bytes"), run=over_sessions("peak_memory_bytes", max)),
)  # fmt: skip
"""In the order in which they are shown."""

_registered: dict[str, Figure] = {figure.key: figure for figure in BUILT_IN}


def register(figure: Figure) -> None:
    """Add a figure from outside clsim; console, page, comparison and trackers show it after clsim's own.

    Args:
        figure: Figure with a key that is not in use; it must not change the record that it reads.

    Raises:
        ArgumentError: The key is in use or malformed.

    """
    if not _KEY.fullmatch(figure.key):
        raise ArgumentError(f"figure {figure.key!r}: a key has lowercase letters, digits and underscores")
    if _registered.get(figure.key, figure) != figure:
        raise ArgumentError(f"figure {figure.key!r}: this key is in use; choose another one")
    _registered[figure.key] = figure


def figures() -> tuple[Figure, ...]:
    """Return all figures in the order in which they are shown."""
    load_extensions()
    return tuple(_registered.values())


def figures_from_outside() -> tuple[Figure, ...]:
    """Return the registered figures that are not clsim's own."""
    return figures()[len(BUILT_IN) :]


def figure(key: str) -> Figure:
    """Return the figure with this key; keys of custom metrics, upgrades and ``KEY.SESSION`` have one, too.

    Example:
        >>> figure("performance_drop").better, figure("accuracy.3").label, figure("map.new_old").label
        ('lower', 'accuracy after session 3', 'map, new/old')
        >>> figure("metrics.confidence").label_of_run
        'confidence at the end'

    Raises:
        KeyError: There is no such figure.

    """
    load_extensions()
    if key in _registered:
        return _registered[key]
    if key.startswith(CUSTOM):
        name = key.removeprefix(CUSTOM)
        return Figure(key, name, unit="number", better=None, session=at("metrics", name), at_end=True)
    if (place := session_of(key)) and place[0] in _registered:
        return _after_session(_registered[place[0]], place[1])
    criterion, _, part = key.rpartition(".")
    return Figure(key, f"{criterion}, {UPGRADE_PARTS[part]}")


def session_of(key: str) -> tuple[str, int] | None:
    """Split the key of a figure after one session; ``None`` for a figure of the whole run.

    Example:
        >>> session_of("accuracy.3"), session_of("final_accuracy")
        (('accuracy', 3), None)

    """
    found = _AFTER_SESSION.fullmatch(key)
    return (found[1], int(found[2])) if found else None


def ordered(keys: Iterable[str]) -> list[str]:
    """Sort keys for display: registered figures, custom metrics and upgrades as they come, then by session.

    Example:
        >>> ordered(["accuracy.1", "accuracy.0", "map.new_old", "ac", "final_accuracy"])
        ['final_accuracy', 'ac', 'map.new_old', 'accuracy.0', 'accuracy.1']

    """
    known = list(dict.fromkeys(keys))
    whole = [each.key for each in figures() if each.key in known]
    others = [key for key in known if key not in _registered and session_of(key) is None]
    by_session = sorted((place, key) for key in known if (place := session_of(key)) is not None)
    return [*whole, *others, *(key for _, key in by_session)]


def _after_session(whole: Figure, session: int) -> Figure:
    def run(results: Mapping[str, Any]) -> object:
        sessions = results.get("sessions") or []
        return whole.of_session(sessions[session]) if session < len(sessions) else None

    label = f"{whole.label} after session {session}"
    return Figure(f"{whole.key}.{session}", label, unit=whole.unit, better=whole.better, run=run)
