"""From a scenario to a stream and a strategy, ready to run; or to the stand-in's, where something is missing."""

from __future__ import annotations

import inspect
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from clsim.config import Scenario, load_scenario
from clsim.data import load
from clsim.errors import DataMissing, UserError, WeightsMissing
from clsim.recipes import load_strategy
from clsim.streams import Stream, fscil
from clsim.training import Strategy


@dataclass(frozen=True)
class Prepared:
    """A stream and the strategy that will learn it, ready to run."""

    name: str
    strategy_name: str
    seed: int
    stream: Stream
    strategy: Strategy
    scenario: Scenario | None = None
    stands_in_for: dict[str, str] | None = None


def prepare_given(stream: Stream, strategy: str | Path | Strategy | None, seed: int | None) -> Prepared:
    """A stream and a strategy composed in Python."""
    if not isinstance(strategy, Strategy):
        raise TypeError("a stream is run by a Strategy; pass one as `strategy`")
    seed = torch.initial_seed() if seed is None else seed
    return Prepared(stream.dataset.name, type(strategy).__name__, seed, stream, strategy)


def prepare(
    scenario: Scenario | str | Path,
    strategy: str | Path | Strategy | None,
    seed: int | None,
    overrides: Mapping[str, object] | Sequence[str],
    device: str,
    strict: bool,
) -> Prepared:
    """Loads data and weights and composes the strategy, or those of the stand-in; see :func:`clsim.run`."""
    if isinstance(strategy, Strategy):
        raise TypeError("a scenario composes its own strategy; pass a name or a path, or run a stream")
    if isinstance(scenario, Scenario):
        scenario = scenario if strategy is None else scenario.with_strategy(str(strategy))
        scenario = scenario if seed is None else scenario.with_seed(seed)
    else:
        scenario = load_scenario(scenario, _changes(overrides, strategy, seed))
    try:
        return _build(scenario, device)
    except (DataMissing, WeightsMissing) as missing:
        if strict or scenario.otherwise is None:
            raise
        # The stand-in runs the same strategy, with the settings the user asked for by hand.
        by_hand = [change for change in _changes(overrides) if change.startswith("strategy.")]
        stand_in = load_scenario(scenario.otherwise, _changes(by_hand, scenario.strategy, scenario.seed))
        because = {"scenario": scenario.name, "because": missing.what, "fix": missing.fix or ""}
        return _build(stand_in, device, because)


def _changes(
    overrides: Mapping[str, object] | Sequence[str],
    strategy: str | Path | None = None,
    seed: int | None = None,
) -> list[str]:
    """All changes to a scenario as ``key=value``, in YAML."""
    if isinstance(overrides, Mapping):
        overrides = [f"{key}={json.dumps(value)}" for key, value in overrides.items()]
    chosen = [] if strategy is None else [f"strategy={json.dumps(str(strategy))}"]
    return [*chosen, *([] if seed is None else [f"seed={seed}"]), *overrides]


def _build(scenario: Scenario, device: str, stands_in_for: dict[str, str] | None = None) -> Prepared:
    stream = make_stream(scenario)
    chosen = scenario.selected_strategy
    settings = dict(chosen.settings)
    named = settings.get("pretrained")
    if isinstance(named, str) and named in scenario.models:
        from clsim.pretraining import resolve_model

        settings["pretrained"] = str(resolve_model(named, scenario.models[named]))
    # Seeded after all data is there, so that what loading may draw cannot shift initialisation.
    seed_everything(scenario.seed)
    build = load_strategy(chosen.path)
    place = {"device": device} if "device" in inspect.signature(build).parameters else {}
    strategy = build(stream, **place, **settings)
    strategy.eval_mb_size = scenario.evaluation.batch_size
    return Prepared(scenario.name, chosen.name, scenario.seed, stream, strategy, scenario, stands_in_for)


def make_stream(scenario: Scenario) -> Stream:
    """The stream a scenario describes."""
    described = scenario.stream
    plain = described.model_dump(include={"splits", "class_order"})
    return fscil(
        load(described.dataset, image_size=described.image_size),
        base_classes=described.base_classes,
        ways=described.ways,
        shots=described.shots,
        sessions=described.sessions,
        splits=plain["splits"],
        class_order=plain["class_order"],
    )


def resolve_device(name: str) -> str:
    """``auto`` to what there is; a device that is not there is the user's error."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise UserError(f"unknown device {name!r}", where="--device", fix="choose auto, cpu, cuda or cuda:0")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"{name} is not there: this machine has {torch.cuda.device_count()} CUDA devices",
            where="--device",
        )
    return name


def seed_everything(seed: int) -> None:
    """Seeds the global generators of python, numpy and torch."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
