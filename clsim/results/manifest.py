"""What a run was made of and on, ``manifest.json``: enough to tell whether another one is the same run."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from clsim.config.discovery import find_metric
from clsim.config.local_imports import import_hashes
from clsim.results.provenance import (
    STRATEGY_IMPORT,
    data_hashes,
    metric_import,
    source_sha256,
    standard_lists,
    stream_split_sha256,
    weights_files,
)
from clsim.utils.errors import UserError, UserErrors
from clsim.utils.files import atomic, sha256_of

if TYPE_CHECKING:
    from clsim.config import Scenario
    from clsim.experiment.build import Experiment
    from clsim.results.run_directory import RunDirectory
    from clsim.utils.device import Precision

NAME = "manifest.json"
PACKAGES = ("torch", "torchvision", "avalanche-lib", "open_clip_torch", "timm", "numpy", "safetensors")
RESULT_FILES = (
    "scenario.yaml",
    "results.json",
    "sessions.jsonl",
    "confusion.json",
    "features/*.safetensors",
    "checkpoints/last.safetensors",
)
"""What a run leaves; the manifest's own hash nobody could write into it."""
IDENTITY = ("scenario", "strategy", "seed")
"""What a complete run must be of to be the one that is asked for."""
NO_MATTER = ("description", "published", "references", "checkpoints", "trackers", "otherwise", "seed", "strategy")
"""Keys of a scenario that change no figure, and those that the manifest has by themselves."""
SAME = (
    "scenario",
    "strategy",
    "seed",
    "seeds",
    "precision",
    "compile",
    "stands_in_for",
    "processes",
    "python",
    "clsim",
)
SAME_PARTS = ("packages", "hashes", "split_lists", "batch_sizes")
"""What has to be equal for two runs to be the same: single facts, and blocks of them."""


@dataclass(frozen=True)
class Difference:
    """A fact of which two manifests say different things; ``None`` where one does not say any."""

    key: str
    before: Any
    now: Any

    def __str__(self) -> str:
        return f"{self.key}: {_short(self.before)} -> {_short(self.now)}"


def write_manifest(directory: RunDirectory, prepared: Experiment) -> None:
    """Writes ``manifest.json`` and, where the run has one, ``scenario.yaml``."""
    if prepared.scenario is not None:
        directory.write_text("scenario.yaml", prepared.scenario.to_yaml())
    directory.write_json(NAME, describe(prepared))


def go_on(directory: RunDirectory, prepared: Experiment, *, force: bool = False) -> dict[str, Any] | None:
    """Makes sure that the run in the directory is this one, and notes in its manifest that it was resumed.

    A run that is complete only has to be of the same scenario; nothing is noted.

    Args:
        directory: of the run.
        prepared: the run as it would begin now.
        force: go on even if it is not the same any more; what differs is noted.

    Returns:
        The manifest of the run; ``None`` if the directory holds none.

    Raises:
        UserError: the run in the directory is another one, or its files are damaged.

    """
    before = directory.read_json(NAME)
    if before is None:
        return None
    now = describe(prepared)
    complete = directory.status == "complete"
    facts = [each for each in differences(before, now) if not complete or each.key in IDENTITY]
    found = [*map(str, facts), *scenario_differences(directory.path / "scenario.yaml", prepared.scenario)]
    if found and (complete or not force):
        fix = "bring that back, or add --force to go on all the same; the manifest will say so"
        raise _not_the_same(found, directory.path, "choose another --out" if complete else fix)
    if complete:
        return dict(before)
    resumed = {key: now[key] for key in ("started", "command", "git")} | {"differences": found}
    noted = {**before, "resumed": [*before.get("resumed", []), resumed]}
    directory.write_json(NAME, noted)
    return noted


def precision_begun(directory: RunDirectory, prepared: Experiment) -> Precision:
    """Return the precision in which a run that is resumed began, if the same one was asked for then and now.

    The processor that began it may have computed in bfloat16 where this one does not, or the other way round.
    """
    before, used = directory.read_json(NAME), prepared.strategy.precision
    if not isinstance(before, dict) or before.get("precision_requested") != prepared.requested_precision:
        return used
    began: Precision = before.get("precision", used)
    return began if began in ("fp32", prepared.requested_precision) else used


def _not_the_same(found: list[str], path: Path, fix: str) -> UserErrors:
    errors = [UserError(f"this run began with something else: {each}", where=str(path)) for each in found]
    errors[-1].fix = fix
    return UserErrors(errors)


def describe(prepared: Experiment) -> dict[str, Any]:
    """The manifest of a run that is about to begin."""
    import torch

    from clsim.utils import distributed

    strategy, scenario = prepared.strategy, prepared.scenario
    return manifest(
        seed=prepared.seed,
        device=str(strategy.device),
        hashes=_hashes(prepared),
        settings={
            "device_name": torch.cuda.get_device_name(strategy.device) if strategy.device.type == "cuda" else None,
            "scenario": prepared.name,
            "strategy": prepared.strategy_name,
            "seeds": None if scenario is None else asdict(scenario.effective_seeds),
            "precision": strategy.precision,
            "precision_requested": prepared.requested_precision,
            "compile": strategy.passes.compile,
            "threads": torch.get_num_threads(),
            "processes": distributed.count(),
            "determinism": _determinism(),
            "batch_sizes": strategy.batch_sizes(prepared.stream.train_stream[0]),
            "split_lists": {} if scenario is None else standard_lists(scenario),
            "test_images": prepared.stream.tested_images,
            "stands_in_for": prepared.stands_in_for,
            "other_protocol": [] if scenario is None else list(scenario.other_protocol),
            "validation": prepared.validation,
            "clips": _clips(prepared),
        },
    )


def manifest(*, seed: int, device: str, hashes: Mapping[str, str], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The content of ``manifest.json``.

    Args:
        seed: the run's seed.
        device: where it computes.
        hashes: sha256 of data, weights and code, by name.
        settings: further facts of the run.

    """
    return {
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": sys.argv,
        "seed": seed,
        "device": device,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "clsim": metadata.version("clsim"),
        "packages": {name: _version(name) for name in PACKAGES},
        "git": _git_state(),
        "hashes": dict(hashes),
        **settings,
    }


def seal(directory: Path) -> None:
    """Adds the hashes of all files of results to the manifest of a run that is complete."""
    path = directory / NAME
    content = json.loads(path.read_text(encoding="utf-8"))
    content["files"] = {name: sha256_of(file) for name, file in sorted(result_files(directory).items())}
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def result_files(directory: Path) -> dict[str, Path]:
    """The files of results that are there, by their path below the run directory."""
    found = [file for pattern in RESULT_FILES for file in directory.glob(pattern) if file.is_file()]
    return {file.relative_to(directory).as_posix(): file for file in found if not file.name.startswith(".")}


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """What would make a run that is resumed another one than the run that began.

    When and by which command it runs, the state of git (clsim's own source has a hash) and the node do not count; nor
    do threads, of which a run that is resumed gets as many as it had; nor the text of the scenario, for which there is
    :func:`scenario_differences`.
    """
    facts = _facts(before), _facts(now)
    return [
        Difference(key, facts[0].get(key), facts[1].get(key))
        for key in dict.fromkeys([*facts[0], *facts[1]])
        if facts[0].get(key) != facts[1].get(key)
    ]


def _facts(content: Mapping[str, Any]) -> dict[str, Any]:
    device = str(content.get("device")).partition(":")[0]
    facts = {key: content.get(key) for key in SAME} | {"device": device}
    for part in SAME_PARTS:
        facts |= {f"{part}.{key}": value for key, value in (content.get(part) or {}).items()}
    facts.pop("hashes.scenario file", None)
    return facts


def scenario_differences(path: Path, now: Scenario | None) -> list[str]:
    """Keys of a scenario that changed a run since its ``scenario.yaml`` was written, with both values.

    Raises:
        UserError: the file is missing or damaged.

    """
    if now is None:
        return []
    try:
        before = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise UserError(f"this file cannot be read ({type(error).__name__})", where=str(path)) from error
    values = flat(before), flat(yaml.safe_load(now.to_yaml()))
    own = f"strategies.{now.selected_strategy.name}."
    return [
        str(Difference(f"scenario {key}", values[0].get(key), values[1].get(key)))
        for key in dict.fromkeys([*values[0], *values[1]])
        if values[0].get(key) != values[1].get(key)
        and key.partition(".")[0] not in NO_MATTER
        and (key.startswith(own) or not key.startswith("strategies."))  # the settings of others do not matter either
    ]


def flat(content: Any, prefix: str = "") -> dict[str, Any]:
    """The leaves of nested blocks, by dotted keys."""
    if not isinstance(content, Mapping):
        return {prefix: content}
    found: dict[str, Any] = {}
    for key, value in content.items():
        found |= flat(value, f"{prefix}.{key}" if prefix else str(key))
    return found


def _short(value: Any) -> str:
    if isinstance(value, str) and len(value) == hashlib.sha256().digest_size * 2:
        return value[:12]
    return "nothing" if value is None else str(value)


def _hashes(prepared: Experiment) -> dict[str, str]:
    from clsim.models.protocols import HasWeightsSha256

    stream, scenario = prepared.stream, prepared.scenario
    hashes = data_hashes(stream.dataset, prepared.compared) | {"split lists": stream_split_sha256(stream)}
    role = "replacement" if stream.task == "classification" else "model"
    hashes |= {f"{role} {name}": model.sha256 for name, model in stream.incoming.items()}
    for module in prepared.strategy.model.modules():
        if isinstance(module, HasWeightsSha256) and module.weights_sha256 is not None:
            hashes["pre-trained weights"] = module.weights_sha256
    if scenario is not None:
        hashes["scenario file"] = hashlib.sha256(scenario.to_yaml().encode()).hexdigest()
        hashes["strategy file"] = sha256_of(scenario.selected_strategy.path)
        hashes |= import_hashes(scenario.selected_strategy.path, STRATEGY_IMPORT)
        for name in scenario.evaluation.metrics:
            hashes[f"metric {name}"] = sha256_of(find_metric(name))
            hashes |= import_hashes(find_metric(name), metric_import(name))
        hashes |= {key: sha256_of(path) for key, path in weights_files(scenario, stream.incoming).items()}
    return hashes | {"clsim source": source_sha256()}


def _clips(prepared: Experiment) -> list[dict[str, Any]]:
    """Properties of every CLIP of the run that its weights do not show, such as the activation, with its warnings."""
    from clsim.models.protocols import HasClipFacts

    stream, modules = prepared.stream, [*prepared.strategy.model.modules()]
    if stream.task == "classification":
        modules += [module for each in stream.replacements for module in each.model.backbone.modules()]
    found = [module.clip_facts for module in modules if isinstance(module, HasClipFacts)]
    if stream.task == "image_text":
        found += [model.clip.facts() for model in stream.models]
    return [facts for index, facts in enumerate(found) if facts and facts not in found[:index]]


def _determinism() -> dict[str, Any]:
    import torch

    def setting(read: Any) -> Any:
        try:
            return read()
        except RuntimeError:  # torch refuses to tell one of its ways to say this where another one was used
            return None

    return {
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "cudnn_tf32": setting(lambda: torch.backends.cudnn.allow_tf32),
        "matmul_tf32": setting(lambda: torch.backends.cuda.matmul.allow_tf32),
        "float32_matmul_precision": setting(torch.get_float32_matmul_precision),
        "num_threads": torch.get_num_threads(),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git_state() -> dict[str, Any] | None:
    """Commit of clsim's own checkout and whether it is altered; ``None`` outside one or without git."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()  # noqa: S603

    try:
        return {"commit": git("rev-parse", "HEAD"), "altered": bool(git("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.SubprocessError):
        return None
