"""The manifest of an experiment, and whether a run directory holds the same one."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from clsim.config.discovery import find_metric
from clsim.config.local_imports import import_hashes
from clsim.experiment.build import Experiment
from clsim.models.checkpoints import weights_sha256
from clsim.models.frozen_backbone import FrozenBackbone
from clsim.models.protocols import HasClipFacts, HasWeightsSha256, frozen_backbone
from clsim.results.differences import IDENTITY, differences, scenario_differences
from clsim.results.machine import determinism
from clsim.results.manifest import NAME, manifest
from clsim.results.provenance import (
    STRATEGY_IMPORT,
    data_hashes,
    metric_import,
    source_sha256,
    standard_lists,
    stream_split_sha256,
    weights_files,
)
from clsim.results.run_directory import RunDirectory
from clsim.streams.settings import DrawnSplits, FscilStream
from clsim.utils import distributed
from clsim.utils.device import Precision
from clsim.utils.errors import UserError, UserErrors
from clsim.utils.files import sha256_of


def write_manifest(directory: RunDirectory, experiment: Experiment) -> None:
    """Write ``manifest.json`` and, if there is a scenario, ``scenario.yaml``."""
    if experiment.scenario is not None:
        directory.write_text("scenario.yaml", experiment.scenario.to_yaml())
    directory.write_json(NAME, describe(experiment))


def resume_manifest(directory: RunDirectory, experiment: Experiment, *, force: bool = False) -> dict[str, Any] | None:
    """Check that the run in the directory is this one, and add to its manifest that it was resumed.

    A complete run only has to be of the same scenario; its manifest does not change.

    Args:
        directory: Run directory.
        experiment: Experiment as it would begin now.
        force: Whether to resume even if the runs differ; the manifest lists the differences.

    Returns:
        The manifest of the run; ``None`` if the directory holds none.

    Raises:
        UserError: The run in the directory is another one, or its files are damaged.

    """
    before = directory.read_json(NAME)
    if before is None:
        return None
    now = describe(experiment)
    complete = directory.status == "complete"
    found = [str(each) for each in differences(before, now) if not complete or each.key in IDENTITY]
    found += scenario_differences(directory.path / "scenario.yaml", experiment.scenario)
    if found and (complete or not force):
        fix = "restore that, or add --force to resume all the same; the manifest will list the differences"
        raise _not_the_same(found, directory.path, "choose another --out" if complete else fix)
    if complete:
        return dict(before)
    resumed = {key: now[key] for key in ("started", "command", "git")} | {"differences": found}
    noted = {**before, "resumed": [*before.get("resumed", []), resumed]}
    directory.write_json(NAME, noted)
    return noted


def record_features(directory: RunDirectory, model: object) -> None:
    """Add to the manifest how many stored features the run found and how many it computed.

    These are no facts of the run: they differ between the first run and its repetition.

    Args:
        directory: Run directory with a manifest.
        model: Model of the strategy at the end of the run.

    """
    backbone = frozen_backbone(model)
    if backbone is None or not backbone.cache.usage:
        return
    records = [
        {
            "weights_sha256": key.weights_sha256,
            "key": key.name,
            "precision": key.precision,
            "found": usage.found,
            "computed": usage.computed,
            "seconds": round(usage.seconds, 1),
        }
        for key, usage in backbone.cache.usage.items()
    ]
    directory.write_json(NAME, {**(directory.read_json(NAME) or {}), "features": records})


def precision_begun(directory: RunDirectory, experiment: Experiment) -> Precision:
    """Return the precision in which a resumed run began, if the same one was requested then and now.

    The processor that began it may have computed in bfloat16 where this one does not, or the other way round.
    """
    before, used = directory.read_json(NAME), experiment.strategy.precision
    if not isinstance(before, dict) or before.get("precision_requested") != experiment.requested_precision:
        return used
    began: Precision = before.get("precision", used)
    return began if began in ("fp32", experiment.requested_precision) else used


def describe(experiment: Experiment) -> dict[str, Any]:
    """Return the manifest of an experiment that is about to begin."""
    strategy, scenario = experiment.strategy, experiment.scenario
    return manifest(
        seed=experiment.seed,
        device=str(strategy.device),
        hashes=_hashes(experiment),
        settings={
            "device_name": torch.cuda.get_device_name(strategy.device) if strategy.device.type == "cuda" else None,
            "scenario": experiment.name,
            "strategy": experiment.strategy_name,
            "seeds": None if scenario is None else asdict(scenario.effective_seeds),
            "precision": strategy.precision,
            "precision_requested": experiment.requested_precision,
            "compile": strategy.passes.compile,
            "threads": torch.get_num_threads(),
            "processes": distributed.world_size(),
            "determinism": determinism(),
            "batch_sizes": strategy.batch_sizes(experiment.stream.train_stream[0]),
            "split_lists": {} if scenario is None else standard_lists(scenario),
            "test_images": experiment.stream.tested_images,
            "stands_in_for": experiment.stands_in_for,
            "other_protocol": [] if scenario is None else list(scenario.other_protocol),
            "validation": experiment.validation,
            "clips": _clips(experiment),
        },
    )


def draw_manifest(directory: RunDirectory, experiment: Experiment, number: int) -> dict[str, Any]:
    """Return the manifest of one of the draws: that of the run, but for the shots.

    Args:
        directory: Directory of the run.
        experiment: Experiment of the draw.
        number: Number of the draw, from 1.

    """
    run, scenario = directory.read_json(NAME), experiment.scenario
    assert scenario is not None
    assert isinstance(scenario.stream, FscilStream)
    assert isinstance(scenario.stream.splits, DrawnSplits)
    text = scenario.to_yaml()
    hashes = {
        "split lists": stream_split_sha256(experiment.stream),
        "scenario file": hashlib.sha256(text.encode()).hexdigest(),
    }
    return {
        **{key: value for key, value in run.items() if key not in ("files", "resumed")},
        "hashes": {**run["hashes"], **hashes},
        "split_lists": standard_lists(scenario),
        "draw": {"number": number, "seed": scenario.stream.splits.draw},
    }


def _hashes(experiment: Experiment) -> dict[str, str]:
    stream, scenario = experiment.stream, experiment.scenario
    hashes = data_hashes(stream.dataset, experiment.compared) | {"split lists": stream_split_sha256(stream)}
    role = "replacement" if stream.task == "classification" else "model"
    hashes |= {f"{role} {name}": model.sha256 for name, model in stream.incoming.items()}
    for module in experiment.strategy.model.modules():
        if isinstance(module, HasWeightsSha256) and module.weights_sha256 is not None:
            hashes["pre-trained weights"] = module.weights_sha256
        if isinstance(module, FrozenBackbone):
            hashes["frozen backbone"] = weights_sha256(module)
    if scenario is not None:
        hashes["scenario file"] = hashlib.sha256(scenario.to_yaml().encode()).hexdigest()
        hashes["strategy file"] = sha256_of(scenario.selected_strategy.path)
        hashes |= import_hashes(scenario.selected_strategy.path, STRATEGY_IMPORT)
        for name in scenario.evaluation.metrics:
            hashes[f"metric {name}"] = sha256_of(find_metric(name))
            hashes |= import_hashes(find_metric(name), metric_import(name))
        hashes |= {key: sha256_of(path) for key, path in weights_files(scenario, stream.incoming).items()}
    return hashes | {"clsim source": source_sha256()}


def _clips(experiment: Experiment) -> list[dict[str, Any]]:
    """Return properties of every CLIP that its weights do not show, such as the activation."""
    stream, modules = experiment.stream, [*experiment.strategy.model.modules()]
    if stream.task == "classification":
        modules += [module for each in stream.replacements for module in each.model.backbone.modules()]
    found = [module.clip_facts for module in modules if isinstance(module, HasClipFacts)]
    if stream.task == "image_text":
        found += [model.clip.facts() for model in stream.models]
    return [facts for index, facts in enumerate(found) if facts and facts not in found[:index]]


def _not_the_same(found: list[str], path: Path, fix: str) -> UserErrors:
    errors = [UserError(f"this run began with something else: {each}", where=str(path)) for each in found]
    errors[-1].fix = fix
    return UserErrors(errors)
