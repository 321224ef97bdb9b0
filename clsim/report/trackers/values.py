"""Values logged to trackers, under the same names in every tracker.

| name | what it is |
|---|---|
| ``accuracy/seen``, ``/base``, ``/novel``, ``/harmonic_mean`` | ``seen``: over all classes seen so far |
| ``accuracy/of_session/0`` | over the test images of that session's classes |
| ``forgetting/from_best``, ``forgetting/from_first`` | |
| ``compatibility/ac``, ``/am``, ``/self_test``, ``/cross_tests/0``, ``/also/cmc_at_5/0``, ... | a number is a version |
| ``service/accuracy``, ``service/backfill/area_random``, ... | |
| ``training/loss``, ``training/accuracy`` | means of the session's last epoch |
| ``seconds/train``, ``seconds/evaluation`` | |
| ``seen_classes``, ``new_classes``, ``replacements`` | how many |
| ``iterations``, ``images_trained``, ``trainable_parameters``, ``peak_memory_bytes``, ``diagnostics/...`` | |
| ``metrics/...`` | custom metrics |
| ``summary/final_accuracy``, ... | of the whole run, once it is complete |
| ``loss``, ``images_per_second`` | while it trains |

Steps are sessions, but for the last row, whose steps are iterations since the run began. What is null has no value.
No name is a prefix path of another, since MLflow keeps names as files and folders: hence ``accuracy/seen``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from clsim.experiment.events import Record
from clsim.report.figures import finite
from clsim.results.differences import flat
from clsim.utils.text import short

Scalar = str | int | float | bool | None
RENAMED = {
    "accuracy": "accuracy/seen",
    "base_accuracy": "accuracy/base",
    "novel_accuracy": "accuracy/novel",
    "harmonic_mean": "accuracy/harmonic_mean",
    "accuracy_by_session": "accuracy/of_session",
    "train_seconds": "seconds/train",
    "eval_seconds": "seconds/evaluation",
}
COUNTED = ("new_classes", "replacements")
UNFOLDED = ("accuracy/of_session", "compatibility/cross_tests", "compatibility/also/")
"""Lists logged entry by entry, each under its own name; others log their last entry, or none."""
LAST = ("training/",)
OF_THE_SETTINGS = ("stream", "evaluation", "models", "on_nan", "strategies")
"""Keys of a scenario that say what was done, and are not known from the manifest."""
OF_THE_MANIFEST = ("scenario", "strategy", "seed", "device", "device_name", "precision", "compile", "threads")
LONGEST_TEXT = 500
LONGEST_NAME = 200


def values_of(record: Record) -> dict[str, float]:
    """The figures of a session's record, by name.

    Example:
        >>> values_of({"session": 1, "accuracy": 0.5, "forgetting": {"from_best": 0.25}, "new_classes": [7, 8]})
        {'accuracy/seen': 0.5, 'forgetting/from_best': 0.25, 'new_classes': 2.0}

    """
    found: dict[str, float] = {}
    for key, value in record.items():
        if key in COUNTED:
            found[key] = float(len(value or ()))
        elif key != "session":
            found |= _named(RENAMED.get(key, plain(key)), value)
    return found


def summary_values(summary: Mapping[str, Any]) -> dict[str, float]:
    """The figures of a whole run, by name."""
    return dict(_named("summary", summary))


def progress_values(loss: float | None, images_per_second: float) -> dict[str, float]:
    """What is known of a step, by name."""
    return dict(_named("", {"loss": loss, "images_per_second": images_per_second}))


def parameters(scenario: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, Scalar]:
    """What a run was made of: its settings as ``--set`` names them, seed, device, versions, and what it stands in for.

    Args:
        scenario: resolved; empty where a strategy was composed in Python.
        manifest: of the run.

    """
    own = f"strategies.{manifest.get('strategy')}."
    content = {key: scenario[key] for key in OF_THE_SETTINGS if key in scenario}
    found: dict[str, Any] = {key: manifest.get(key) for key in OF_THE_MANIFEST}
    for key, value in flat(content).items():
        if key.startswith(own):
            found[f"strategy.{key.removeprefix(own)}"] = value
        elif not key.startswith("strategies."):
            found[key] = value
    versions = {key: manifest.get(key) for key in ("python", "clsim")} | (manifest.get("packages") or {})
    blocks = {key: manifest.get(key) or {} for key in ("seeds", "stands_in_for", "git")} | {"versions": versions}
    for name, block in blocks.items():
        found |= {f"{name}.{key}": value for key, value in block.items()}
    return {".".join(plain(part) for part in key.split(".")): _scalar(value) for key, value in found.items()}


def plain(name: object) -> str:
    """A name that is not ours, as every tracker takes it: ASCII letters, digits, and ``_-.``.

    Example:
        >>> plain("recall@1/image_to_text")
        'recall_at_1_image_to_text'

    """
    text = re.sub(r"[^A-Za-z0-9_.-]", "_", str(name).replace("@", "_at_"))[:LONGEST_NAME]
    return text if text.strip(".") else "_" * max(1, len(text))


def _named(name: str, value: Any) -> Iterator[tuple[str, float]]:
    """A value and what is below it, as pairs of a name and a number."""
    number = finite(value)
    if number is not None:
        yield name, number
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _named(f"{name}/{plain(key)}".lstrip("/"), inner)
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        if name.startswith(UNFOLDED):
            for index, inner in enumerate(value):
                yield from _named(f"{name}/{index}", inner)
        elif name.startswith(LAST):
            yield from _named(name, value[-1])


def _scalar(value: Any) -> Scalar:
    if value is None or isinstance(value, bool | int | float):
        return value
    return short(value if isinstance(value, str) else json.dumps(value), LONGEST_TEXT)
