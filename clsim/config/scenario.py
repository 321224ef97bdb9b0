"""The schema of a scenario: what a YAML file may say. Imports no torch."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr

from clsim.config.checks.strategy import check_runs_on
from clsim.config.discovery import find_strategy
from clsim.config.evaluation import OF_CLASSES, Evaluation, Published
from clsim.config.models.recipe import ModelRecipe
from clsim.config.seeds import EffectiveSeeds, Seeds, fitting_seeds
from clsim.config.signatures import read_signature
from clsim.config.trackers import Trackers
from clsim.config.validation import Validation
from clsim.config.yaml import dump
from clsim.streams.settings import Stream
from clsim.utils.block import Block, Seed
from clsim.utils.errors import ArgumentError, UserError
from clsim.utils.plain import plain
from clsim.utils.text import describe

UPGRADES = ("upgrade", "text_upgrade")
"""Kinds of stream that bring a new model in every session."""


@dataclass(frozen=True)
class ChosenStrategy:
    """A strategy of a scenario: its name, its file, and all its settings with the defaults filled in."""

    name: str
    path: Path
    settings: Mapping[str, Any]


class CheckpointSettings(Block):
    """When a run saves where it is; between two sessions it always does."""

    minutes: float | None = Field(default=10.0, gt=0, description="of training between two checkpoints; null: no limit")
    iterations: int | None = Field(default=None, ge=1, description="between two checkpoints; null: no limit")


class Scenario(Block):
    """One experiment, whole and reproducible: data, stream, strategy, evaluation, seed."""

    description: str = Field(default="", description="what the experiment is, in a sentence")
    stream: Stream = Field(description="what arrives over time")
    strategy: str = Field(description="name or path of the strategy that runs by default")
    strategies: dict[str, dict[str, Any]] = Field(default={}, description="settings by strategy")
    models: dict[str, ModelRecipe] = Field(default={}, description="models that must exist first, by recipe")
    evaluation: Evaluation = Field(default=Evaluation(), description="what is measured")
    validation: Validation | None = Field(
        default=None, description="measure on held-out training images in place of the test images"
    )
    published: dict[str, Published] = Field(default={}, description="published figures by method")
    references: list[str] = Field(default=[], description="strategies that run after the main one on the same stream")
    seed: Seed = Field(default=0, description="of everything that is random in a run")
    checkpoints: CheckpointSettings = Field(default=CheckpointSettings(), description="when a run saves where it is")
    on_nan: Literal["stop", "skip", "rewind"] = Field(
        default="stop", description="a loss that is no number: end the run, leave the step out, or go back"
    )
    seeds: Seeds = Field(default=Seeds(), description="of parts of it, where they are not to follow from seed")
    trackers: Trackers = Field(default=[], description="where the figures go besides the run directory")
    otherwise: str | None = Field(default=None, description="runs instead where data or weights are missing")

    _path: Path = PrivateAttr(Path("scenario.yaml"))
    _files: dict[str, Path] = PrivateAttr({})
    _overridden: frozenset[tuple[str | int, ...]] = PrivateAttr(frozenset())
    _other_protocol: tuple[str, ...] = PrivateAttr(())

    @property
    def path(self) -> Path:
        """The file it was read from."""
        return self._path

    @property
    def name(self) -> str:
        """The stem of its file."""
        return self._path.stem

    @property
    def other_protocol(self) -> tuple[str, ...]:
        """Keys changed on loading that make published figures those of another protocol; these are left out."""
        return self._other_protocol

    def sets_by_hand(self, setting: str) -> bool:
        """Return whether an override on loading gave this setting of the selected strategy, whatever its value."""
        return ("strategies", strategy_name(self.strategy), setting) in self._overridden

    @property
    def sessions(self) -> int | None:
        """Sessions, the base session included; None where only the loaded data can tell."""
        from clsim.streams.rules import session_count

        return session_count(self.stream.model_dump())

    @property
    def upgrades_by(self) -> str | None:
        """The criterion of the compatibility matrix, where the stream brings a new model in every session."""
        compatibility = self.evaluation.compatibility
        return compatibility.criterion if compatibility and self.stream.kind in UPGRADES else None

    @property
    def effective_seeds(self) -> EffectiveSeeds:
        """The seed of each part of a run."""
        return EffectiveSeeds.of(self.seed, self.seeds)

    @property
    def selected_strategy(self) -> ChosenStrategy:
        """The strategy that runs."""
        return self.chosen(strategy_name(self.strategy))

    @property
    def reference_strategies(self) -> list[ChosenStrategy]:
        """The strategies of ``references``, in their order."""
        return [self.chosen(strategy_name(reference)) for reference in self.references]

    def chosen(self, name: str) -> ChosenStrategy:
        """The strategy `name`, one of those the scenario names.

        Raises:
            KeyError: the scenario does not name it.
        """
        return ChosenStrategy(name, self._files[name], copy.deepcopy(self.strategies[name]))

    def with_strategy(self, name_or_path: str | Path) -> Scenario:
        """The same scenario with another strategy selected; one it has no settings for runs with its defaults.

        Raises:
            UserError: there is no such strategy, it does not run on this kind of stream, or a setting of it has no
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
        """Return the same scenario with another seed; what ``seeds`` says stays.

        Raises:
            ArgumentError: it is no seed.
        """
        found = plain(seed)
        if type(found) is not int or not 0 <= found < 2**32:
            raise ArgumentError(f"seed: expected a whole number from 0 to {2**32 - 1}, got {describe(seed)}")
        return self.model_copy(update={"seed": found})

    def seeds_for(self, other: Scenario) -> dict[str, int | None]:
        """Overrides that give `other` these ``seeds``, as far as they mean something in its stream."""
        return fitting_seeds(self.seeds, other.seeds, other.stream)

    def to_yaml(self) -> str:
        """The scenario with every default written out; loading it gives the same scenario."""
        content = self.model_dump(mode="json")
        compatibility = content["evaluation"]["compatibility"]
        if self.stream.kind == "text_upgrade" and compatibility:
            for key in OF_CLASSES:
                del compatibility[key]
        return dump(content)


def strategy_name(text: str) -> str:
    """The name under which a strategy has its settings: the stem of its file."""
    return Path(text).stem if text.endswith(".py") else text
