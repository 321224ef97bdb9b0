"""Values logged to trackers, under the same names in every tracker.

| name | meaning |
|---|---|
| ``accuracy/seen``, ``/base``, ``/novel``, ``/harmonic_mean`` | ``seen``: on all classes seen so far |
| ``accuracy/of_session/0`` | on the test images of that session's classes |
| ``forgetting/from_best``, ``forgetting/from_first`` | |
| ``compatibility/ac``, ``/am``, ``/self_test``, ``/cross_tests/0``, ``/also/cmc_at_5/0``, ... | a number is a version |
| ``service/accuracy``, ``service/backfill/area_random``, ... | |
| ``training/loss``, ``training/accuracy`` | means of the session's last epoch |
| ``seconds/train``, ``seconds/evaluation`` | |
| ``seen_classes``, ``new_classes``, ``replacements`` | numbers of them |
| ``iterations``, ``images_trained``, ``trainable_parameters``, ``peak_memory_bytes``, ``diagnostics/...`` | |
| ``metrics/...`` | custom metrics |
| ``figures/...`` | figures registered from outside clsim |
| ``summary/final_accuracy``, ... | of the whole run, once it is complete |
| ``loss``, ``images_per_second`` | while it trains |

Steps are sessions; those of the last row are iterations since the run began. A null in the record has no value. No name
is a prefix of another, since MLflow stores names as files and folders: hence ``accuracy/seen``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from clsim.experiment.events import Record
from clsim.results.differences import flat
from clsim.results.figures import BUILT_IN, figures_from_outside
from clsim.utils.numbers import finite
from clsim.utils.text import short

Scalar = str | int | float | bool | None
RENAMED = {
    "accuracy_by_session": "accuracy/of_session",
    **{each.key: each.tracker for each in BUILT_IN if each.tracker},
}
"""Names of keys of the record, where they are not the key itself."""
COUNTED = ("new_classes", "replacements")
UNFOLDED = ("accuracy/of_session", "compatibility/cross_tests", "compatibility/also/")
"""Lists logged entry by entry, each under its own name; others log their last entry, or none."""
LAST = ("training/",)
"""Lists that are logged by their last entry; others are left out."""
OF_THE_SETTINGS = ("stream", "evaluation", "models", "on_nan", "strategies")
"""Keys of a scenario that the manifest does not have."""
OF_THE_MANIFEST = ("scenario", "strategy", "seed", "device", "device_name", "precision", "compile", "threads")
LONGEST_TEXT = 500
LONGEST_NAME = 200


def values_of(record: Record) -> dict[str, float]:
    """Return the figures of a session's record by name.

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
    for each in figures_from_outside():
        found |= _named(f"figures/{each.key}", each.of_session(record))
    return found


def summary_values(summary: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures of a whole run by name."""
    return dict(_named("summary", summary))


def progress_values(loss: float | None, images_per_second: float) -> dict[str, float]:
    """Return the figures of training by name."""
    return dict(_named("", {"loss": loss, "images_per_second": images_per_second}))


def parameters(scenario: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, Scalar]:
    """Return the settings of a run as ``--set`` names them, its seed, device and versions, and what it stands in for.

    Args:
        scenario: Resolved scenario; empty for a strategy composed in Python.
        manifest: Manifest of the run.

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
    """Convert a name to characters that every tracker accepts: ASCII letters, digits, and ``_-.``.

    Example:
        >>> plain("recall@1/image_to_text")
        'recall_at_1_image_to_text'

    """
    text = re.sub(r"[^A-Za-z0-9_.-]", "_", str(name).replace("@", "_at_"))[:LONGEST_NAME]
    return text if text.strip(".") else "_" * max(1, len(text))


def _named(name: str, value: Any) -> Iterator[tuple[str, float]]:
    """Yield a value and its nested values as pairs of name and number."""
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
