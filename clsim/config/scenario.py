"""Schema of a scenario. Imports no torch."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr

from clsim.config.budget import Budget
from clsim.config.checks.strategy import check_runs_on
from clsim.config.discovery import find_strategy
from clsim.config.evaluation import OF_CLASSES, Evaluation, Published
from clsim.config.models.recipe import ModelRecipe
from clsim.config.seeds import EffectiveSeeds, Seeds, fitting_seeds
from clsim.config.signatures import read_signature
from clsim.config.trackers import Trackers
from clsim.config.validation import Validation
from clsim.config.yaml import dump
from clsim.streams.kinds import UPGRADE_KINDS
from clsim.streams.rules import session_count
from clsim.streams.settings import DrawnSplits, Stream
from clsim.utils.block import Block, Seed
from clsim.utils.derived_seed import derived_seed
from clsim.utils.errors import ArgumentError, UserError
from clsim.utils.issues import KeyPath
from clsim.utils.plain import plain
from clsim.utils.text import describe


@dataclass(frozen=True)
class ChosenStrategy:
    """A strategy of a scenario: its name, its file, and all its settings with the defaults filled in."""

    name: str
    path: Path
    settings: Mapping[str, Any]


class CheckpointSettings(Block):
    """Times of checkpoints within a session; a run always saves between two sessions."""

    minutes: float | None = Field(default=10.0, gt=0, description="minutes of training between two; null: no limit")
    iterations: int | None = Field(default=None, ge=1, description="iterations between two; null: no limit")


class Scenario(Block):
    """One complete, reproducible experiment: data, stream, strategy, evaluation, seed."""

    description: str = Field(default="", description="the experiment in one sentence")
    stream: Stream = Field(description="data and models over time")
    strategy: str = Field(description="name or path of the strategy that runs by default")
    strategies: dict[str, dict[str, Any]] = Field(default={}, description="settings by strategy")
    models: dict[str, ModelRecipe] = Field(default={}, description="models by name: recipes, files and libraries")
    evaluation: Evaluation = Field(default=Evaluation(), description="figures to measure")
    budget: Budget | None = Field(
        default=None, description="training of every session, the same for all strategies; null: their own epochs"
    )
    draws: int | None = Field(
        default=None,
        ge=2,
        le=1000,
        description="number of seeded draws of the shots on which the few-shot sessions are repeated; null: none",
    )
    validation: Validation | None = Field(
        default=None, description="evaluate on held-out training images instead of the test images"
    )
    published: dict[str, Published] = Field(default={}, description="published figures by method")
    references: list[str] = Field(default=[], description="strategies that run after the main one on the same stream")
    seed: Seed = Field(default=0, description="seed of everything random in a run")
    checkpoints: CheckpointSettings = Field(default=CheckpointSettings(), description="times of checkpoints")
    on_nan: Literal["stop", "skip", "rewind"] = Field(
        default="stop", description="after a loss that is NaN or infinite: end the run, skip the step, or rewind"
    )
    seeds: Seeds = Field(default=Seeds(), description="seeds of parts of a run that do not follow from seed")
    trackers: Trackers = Field(default=[], description="destinations of the figures besides the run directory")
    otherwise: str | None = Field(default=None, description="scenario that runs if data or weights are missing")

    _path: Path = PrivateAttr(Path("scenario.yaml"))
    _files: dict[str, Path] = PrivateAttr({})
    _overrides: dict[str, Any] = PrivateAttr({})
    _overridden: frozenset[KeyPath] = PrivateAttr(frozenset())
    _other_protocol: tuple[str, ...] = PrivateAttr(())

    @property
    def path(self) -> Path:
        """File that the scenario was read from."""
        return self._path

    @property
    def name(self) -> str:
        """Stem of the file."""
        return self._path.stem

    @property
    def overrides(self) -> Mapping[str, Any]:
        """Overrides of the file's values on loading, by dotted key."""
        return self._overrides

    @property
    def other_protocol(self) -> tuple[str, ...]:
        """Overridden keys that change the protocol of the published figures, which are therefore left out."""
        return self._other_protocol

    def has_override(self, *path: str) -> bool:
        """Return whether an override or an option set the value at a path, ``("strategy",)`` for instance."""
        return path in self._overridden

    def overrides_setting(self, setting: str) -> bool:
        """Return whether an override set this setting of the selected strategy, even to its default."""
        return self.has_override("strategies", strategy_name(self.strategy), setting)

    @property
    def sessions(self) -> int | None:
        """Number of sessions with the base session, ``None`` if it depends on data that is not loaded."""
        return session_count(self.stream.model_dump())

    @property
    def upgrades_by(self) -> str | None:
        """Criterion of the compatibility matrix, if the stream brings a new model in every session."""
        compatibility = self.evaluation.compatibility
        return compatibility.criterion if compatibility and self.stream.kind in UPGRADE_KINDS else None

    @property
    def effective_seeds(self) -> EffectiveSeeds:
        """Seed of each part of a run."""
        return EffectiveSeeds.of(self.seed, self.seeds)

    @property
    def draw_seeds(self) -> tuple[int, ...]:
        """Seed of every draw of the shots, derived from the seed of the shots; the same for every strategy."""
        shots = self.effective_seeds.shots
        return tuple(derived_seed(shots, f"draw {number}") for number in range(1, (self.draws or 0) + 1))

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings of the strategy that runs, with the defaults filled in."""
        return self.strategies[strategy_name(self.strategy)]

    @property
    def selected_strategy(self) -> ChosenStrategy:
        """Strategy that runs."""
        return self.chosen(strategy_name(self.strategy))

    @property
    def reference_strategies(self) -> list[ChosenStrategy]:
        """Strategies of ``references``, in their order."""
        return [self.chosen(strategy_name(reference)) for reference in self.references]

    def chosen(self, name: str) -> ChosenStrategy:
        """Return a strategy that the scenario names.

        Raises:
            KeyError: The scenario does not name it.
        """
        return ChosenStrategy(name, self._files[name], copy.deepcopy(self.strategies[name]))

    def with_strategy(self, name_or_path: str | Path) -> Scenario:
        """Return the scenario with another strategy selected, with its defaults if the scenario has no settings.

        Raises:
            UserError: There is no such strategy, it does not run on this kind of stream, or a setting of it has no
                default.
        """
        name_or_path = str(name_or_path)
        name = strategy_name(name_or_path)
        path = self._files[name] if name in self._files else find_strategy(name_or_path)
        signature = read_signature(path)
        for refused in check_runs_on(("strategy",), name, signature, self.stream.kind):
            raise UserError(refused.what, fix=refused.fix)
        if name in self._files:
            texts = {strategy_name(text): text for text in [*self.references, self.strategy]}
            return self.model_copy(update={"strategy": texts.get(name, name)})
        changes = {"strategy": name_or_path, "strategies": {**self.strategies, name: signature.defaults()}}
        other = self.model_copy(update=changes)
        other._files = {**self._files, name: path}
        return other

    def with_seed(self, seed: int) -> Scenario:
        """Return the scenario with another seed. The block ``seeds`` does not change.

        Raises:
            ArgumentError: The seed is out of range.
        """
        found = plain(seed)
        if type(found) is not int or not 0 <= found < 2**32:
            raise ArgumentError(f"seed: expected an integer from 0 to {2**32 - 1}, got {describe(seed)}")
        return self.model_copy(update={"seed": found})

    def with_draw(self, number: int) -> Scenario:
        """Return the scenario of one of the draws, with its shots and without further draws.

        Args:
            number: Number of the draw, from 1 to ``draws``.
        """
        stream = self.stream.model_copy(update={"splits": DrawnSplits(draw=self.draw_seeds[number - 1])})
        return self.model_copy(update={"stream": stream, "draws": None})

    def seeds_for(self, other: Scenario) -> dict[str, int | None]:
        """Return the overrides that give another scenario these ``seeds``, as far as its stream draws by them."""
        return fitting_seeds(self.seeds, other.seeds, other.stream)

    def repeats_for(self, other: Scenario) -> dict[str, Any]:
        """Return the overrides of ``budget``, and of ``draws`` if another scenario has shots to draw."""
        has_shots = other.stream.kind == "fscil"
        keys = ("budget", "draws") if has_shots else ("budget",)
        return {key: value for key, value in self.overrides.items() if key.partition(".")[0] in keys}

    def to_yaml(self) -> str:
        """Return the scenario with all defaults written out. Loading the text gives the same scenario."""
        content = self.model_dump(mode="json")
        compatibility = content["evaluation"]["compatibility"]
        if compatibility and not self.stream.has_classes:
            for key in OF_CLASSES:
                del compatibility[key]
        return dump(content)


def strategy_name(text: str) -> str:
    """Return the name under which a strategy has its settings: the stem of its file."""
    return Path(text).stem if text.endswith(".py") else text
