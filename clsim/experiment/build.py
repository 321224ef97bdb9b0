"""Preparation of a run in three steps: resolve the scenario, make the stream, make the strategy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from clsim.config import Scenario, load_scenario
from clsim.config.budget import Budget
from clsim.data.core.captioned import CaptionDataSet
from clsim.data.core.file_warnings import warn_if_upscaled
from clsim.data.core.images import Images
from clsim.experiment.incoming import check_composed
from clsim.experiment.resolve import Resolved, resolve
from clsim.experiment.stand_in import stand_in_for
from clsim.models.preprocess import Preprocess
from clsim.plugins import SessionBudget
from clsim.streams import Stream, TextStream, text_upgrade
from clsim.streams.builders.fscil import redrawn
from clsim.streams.builders.replacement import with_replacements
from clsim.streams.settings import FscilStream, TextUpgradeStream
from clsim.training import Strategy
from clsim.utils.errors import ArgumentError, DataMissing, WeightsMissing
from clsim.utils.precision import INSISTED, KEPT, REPLACED, is_emulated
from clsim.utils.seeding import composed


@dataclass(frozen=True)
class Experiment:
    """A stream and a strategy that is ready to learn it.

    Attributes:
        name: Name of the scenario, or of the data set.
        strategy_name: Name of the strategy.
        seed: Seed of everything random in the run.
        stream: Stream to learn.
        strategy: Strategy that learns it.
        scenario: Scenario of both; ``None`` if they were composed in Python.
        stands_in_for: Name of the scenario that this one stands in for, with the reason; ``None`` for no stand-in.
        compared: Query and gallery images on which versions of the model are compared, one object if both are the
            same; ``None`` if versions are not compared on images.
        requested_precision: Precision that the scenario asks for. The strategy has the one in use.
        resolved: What the stream and the strategy were made from; ``None`` if they were composed in Python.

    """

    name: str
    strategy_name: str
    seed: int
    stream: Stream | TextStream
    strategy: Strategy
    scenario: Scenario | None = None
    stands_in_for: dict[str, str] | None = None
    compared: tuple[Images, Images] | None = None
    requested_precision: str = "fp32"
    resolved: Resolved | None = None

    @property
    def draws(self) -> int:
        """Number of draws on which the few-shot sessions are repeated."""
        return (self.scenario and self.scenario.draws) or 0

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on departures from the scenario: another precision, published figures left out."""
        found = []
        used, requested, device = self.strategy.precision, self.requested_precision, str(self.strategy.device)
        if used != requested:
            replaced = is_emulated(requested, device)
            found.append(REPLACED if replaced else KEPT.format(used=used, requested=requested))
        elif is_emulated(used, device):
            found.append(INSISTED)
        changes = self.scenario.other_protocol if self.scenario else ()
        if changes:
            found.append(f"published figures left out: they are of another protocol (changed: {', '.join(changes)})")
        return tuple(found)

    @property
    def validation(self) -> dict[str, float | int] | None:
        """Share, seed and size of the held-out images that the run is evaluated on; ``None`` for test images."""
        if self.scenario is None or self.scenario.validation is None:
            return None
        test = self.stream.test_stream
        images = sum(len(session.resident) for session in test)
        classes = sum(
            len(block) for block, session in zip(self.stream.class_blocks, test, strict=True) if len(session.resident)
        )
        return {**self.scenario.validation.model_dump(), "images": images, "classes": classes}


def prepare_given(stream: Stream | TextStream, strategy: object) -> Experiment:
    """Return the experiment of a stream and a strategy that were composed, and seeded, in Python.

    Raises:
        ArgumentError: The strategy is of another type, or has weights to train and no optimizer.
    """
    if not isinstance(strategy, Strategy):
        raise ArgumentError("a stream needs a Strategy to run", fix="pass one as strategy=...")
    if strategy.train_epochs and not strategy.trains and any(p.requires_grad for p in strategy.model.parameters()):
        what = "the strategy has epochs and weights to train, but no optimizer"
        raise ArgumentError(what, fix="pass optimizer=..., or train_epochs=0")
    _warn_if_upscaled(stream, strategy)
    name, precision = type(strategy).__name__, strategy.precision
    seed = torch.initial_seed()
    return Experiment(stream.dataset.name, name, seed, stream, strategy, requested_precision=precision)


def prepare(
    scenario: Scenario | str | Path,
    strategy: str | Path | None,
    overrides: Mapping[str, object] | Sequence[str] | None,
    seed: int | None,
    device: str,
    strict: bool,
) -> Experiment:
    """Load data and weights and compose the strategy, or those of the stand-in if some are missing.

    Args:
        scenario: Scenario, or its name or path.
        strategy: Name or path of the strategy; ``None`` for the scenario's.
        overrides: Values by dotted key, for a scenario that is not loaded yet.
        seed: Seed of the run; ``None`` for the scenario's.
        device: Device of the run.
        strict: Whether to raise rather than to fall back on the stand-in.

    Raises:
        ArgumentError: The arguments exclude each other.
        UserError: See :func:`clsim.load_scenario` and :func:`~clsim.experiment.resolve.resolve`.
    """
    if isinstance(strategy, Strategy):
        raise ArgumentError("a scenario composes its own strategy", fix="pass the name or path of one, or a stream")
    if isinstance(scenario, Scenario):
        if overrides:
            raise ArgumentError("overrides do not apply to a loaded scenario", fix="pass them to load_scenario")
        scenario = scenario if strategy is None else scenario.with_strategy(str(strategy))
        scenario = scenario if seed is None else scenario.with_seed(seed)
    else:
        scenario = load_scenario(scenario, overrides, strategy=None if strategy is None else str(strategy), seed=seed)
    try:
        return _experiment(scenario, device)
    except (DataMissing, WeightsMissing) as missing:
        if strict or scenario.otherwise is None:
            raise
        stand_in, dropped = stand_in_for(scenario)
        stand_in = stand_in.model_copy(update={"trackers": scenario.trackers})
        because = missing.what + (f"; it runs without your {', '.join(dropped)}" if dropped else "")
        return _experiment(stand_in, device, {"scenario": scenario.name, "because": because, "fix": missing.fix or ""})


def _experiment(scenario: Scenario, device: str, stands_in_for: dict[str, str] | None = None) -> Experiment:
    resolved = resolve(scenario, device)
    stream = make_stream(resolved)
    strategy = make_strategy(resolved, stream)
    chosen = scenario.selected_strategy
    requested = chosen.settings.get("precision")
    return Experiment(
        scenario.name,
        chosen.name,
        scenario.seed,
        stream,
        strategy,
        scenario,
        stands_in_for,
        resolved.eval_sets,
        requested if isinstance(requested, str) else strategy.precision,
        resolved,
    )


def experiment_of_draw(experiment: Experiment, number: int) -> Experiment:
    """Return the experiment of one of the draws: its stream, and a new strategy for it.

    A new strategy holds nothing that an earlier draw has left. The data and loaded weights are shared.

    Args:
        experiment: Experiment of a scenario with draws.
        number: Number of the draw, from 1.
    """
    assert experiment.scenario is not None
    assert experiment.resolved is not None
    assert isinstance(experiment.stream, Stream)
    assert isinstance(experiment.scenario.stream, FscilStream)
    shots, seed = experiment.scenario.stream.shots, experiment.scenario.draw_seeds[number - 1]
    scenario, stream = experiment.scenario.with_draw(number), redrawn(experiment.stream, shots, seed)
    resolved = replace(experiment.resolved, scenario=scenario, data=stream)
    strategy = make_strategy(resolved, stream)
    strategy.precision = experiment.strategy.precision  # a resumed run keeps the one in which it began
    return replace(experiment, scenario=scenario, stream=stream, strategy=strategy, resolved=resolved)


def make_stream(resolved: Resolved) -> Stream | TextStream:
    """Return the stream of a resolved scenario, with the models that come in it."""
    described = resolved.scenario.stream
    if isinstance(resolved.data, CaptionDataSet):
        assert isinstance(described, TextUpgradeStream)
        return text_upgrade(resolved.data, load=resolved.clips, pairs=described.pairs)
    return with_replacements(resolved.data, resolved.replacements) if resolved.replacements else resolved.data


def make_strategy(resolved: Resolved, stream: Stream | TextStream) -> Strategy:
    """Compose the strategy of a resolved scenario, with seeded weights.

    Args:
        resolved: Resolved scenario.
        stream: Its stream.

    Raises:
        UserError: The strategy does not put the models of the stream into service.
    """
    scenario = resolved.scenario
    # Seeded after all data is loaded, so that draws of the loaders cannot change the initial weights.
    seeds = scenario.effective_seeds
    weights = seeds.initialisation if seeds.apart else None
    build = partial(resolved.build, stream, **resolved.settings)
    strategy: Strategy = composed(build, order=seeds.order, initialization=weights)
    if resolved.replacements or len(resolved.clips) > 1:
        check_composed(scenario.selected_strategy, scenario.stream, strategy)
    strategy.eval_mb_size = scenario.evaluation.batch_size
    if scenario.budget is not None:
        for planner in budget_planners(scenario.budget):
            strategy.add_plugin(planner)
    _warn_if_upscaled(stream, strategy)
    return strategy


def budget_planners(budget: Budget) -> list[SessionBudget]:
    """Return the planners of a budget; one with its own base session has two.

    Example:
        >>> [(each.given.steps, each.base, each.later) for each in budget_planners(Budget(steps=5))]
        [(5, True, True)]

    """
    later = SessionBudget(steps=budget.steps, images=budget.images, base=budget.base is None)
    if budget.base is None:
        return [later]
    return [SessionBudget(steps=budget.base.steps, images=budget.base.images, later=False), later]


def _warn_if_upscaled(stream: Stream | TextStream, strategy: Strategy) -> None:
    sizes = [module.image_size for module in strategy.model.modules() if isinstance(module, Preprocess)]
    wanted = max((size for size in sizes if size is not None), default=0)
    warn_if_upscaled(stream.dataset.train, wanted)
