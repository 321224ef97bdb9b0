"""From a scenario to a stream and a strategy, ready to run; or to the stand-in's, where something is missing."""

from __future__ import annotations

import inspect
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


def prepare_given(stream: Stream, strategy: object) -> Prepared:
    """A stream and a strategy composed in Python, which was seeded when it was."""
    if not isinstance(strategy, Strategy):
        raise TypeError("a stream is run by a Strategy; pass one as `strategy`")
    return Prepared(stream.dataset.name, type(strategy).__name__, torch.initial_seed(), stream, strategy)


def prepare(
    scenario: Scenario | str | Path,
    strategy: str | Path | None,
    overrides: Mapping[str, object] | Sequence[str] | None,
    seed: int | None,
    device: str,
    strict: bool,
) -> Prepared:
    """Loads data and weights and composes the strategy, or those of the stand-in; see :func:`clsim.run`."""
    if isinstance(strategy, Strategy):
        raise TypeError("a scenario composes its own strategy; pass a name or a path, or run a stream")
    if isinstance(scenario, Scenario):
        if overrides:
            raise TypeError("a loaded scenario is not changed any more; give the overrides to load_scenario")
        scenario = scenario if strategy is None else scenario.with_strategy(str(strategy))
        scenario = scenario if seed is None else scenario.with_seed(seed)
    else:
        scenario = load_scenario(scenario, overrides, strategy=None if strategy is None else str(strategy), seed=seed)
    try:
        return _build(scenario, device)
    except (DataMissing, WeightsMissing) as missing:
        if strict or scenario.otherwise is None:
            raise
        stand_in, dropped = stand_in_for(scenario)
        because = missing.what + (f"; it runs without your {', '.join(dropped)}" if dropped else "")
        return _build(stand_in, device, {"scenario": scenario.name, "because": because, "fix": missing.fix or ""})


def stand_in_for(scenario: Scenario) -> tuple[Scenario, list[str]]:
    """The scenario's stand-in with the same strategy, seed and what else of the changes made by hand fits it.

    Settings of the strategy fit. The stream is the stand-in's own, and so are the weights, unless they lie in a file.

    Returns:
        The stand-in, and the keys that were changed by hand and do not fit.
    """
    written = load_scenario(scenario.path, strategy=scenario.strategy)
    usual, chosen = written.selected_strategy.settings, scenario.selected_strategy.settings
    changed = {f"strategy.{key}": value for key, value in chosen.items() if value != usual.get(key)}
    own_weights = Path(str(chosen.get("pretrained"))).is_file()
    kept = {key: value for key, value in changed.items() if own_weights or key not in _WEIGHTS}
    before, after = written.stream.model_dump(), scenario.stream.model_dump()
    dropped = [key for key in changed if key not in kept]
    dropped += [f"stream.{key}" for key in after if after[key] != before.get(key)]
    stand_in = load_scenario(str(scenario.otherwise), kept, strategy=scenario.strategy, seed=scenario.seed)
    return stand_in, dropped


_WEIGHTS = ("strategy.pretrained", "strategy.backbone")


def _build(scenario: Scenario, device: str, stands_in_for: dict[str, str] | None = None) -> Prepared:
    stream = make_stream(scenario)
    chosen = scenario.selected_strategy
    settings = dict(chosen.settings)
    named = settings.get("pretrained")
    if isinstance(named, str) and named in scenario.models:
        from clsim.pretraining import resolve_model

        settings["pretrained"] = str(resolve_model(named, scenario.models[named], device=device))
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
