"""Schema of a sweep."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from clsim.utils.block import Block, Seed

Changes = dict[str, Any]
"""Values by dotted key, as ``--set`` takes them."""
Measure = Literal[
    "average_accuracy",
    "average_accuracy_weighted",
    "final_accuracy",
    "performance_drop",
    "average_forgetting",
    "ac",
    "am",
]
_Points = list[Changes]
_Grid = dict[str, list[Any]]
_Names = list[str]
_Seeds = list[Seed]


class Choose(Block):
    """Choice of the best point by runs evaluated on held-out training images."""

    by: Measure = Field(default="average_accuracy", description="figure of the summary to choose by")
    maximise: bool | None = Field(
        default=None, description="whether greater is better; null: as the figure has it, for instance less forgetting"
    )
    share: float = Field(default=0.2, gt=0, lt=1, description="fraction of every class's training images to hold out")
    seed: Seed = Field(default=0, description="seed of the draw of held-out images")
    seeds: _Seeds = Field(default=[], description="seeds of these runs, whose mean counts; empty: those of the sweep")


class Sweep(Block):
    """Runs of every scenario with every strategy, at every point of the grid, with every seed."""

    description: str = Field(default="", description="the comparison in one sentence")
    scenario: str | None = Field(default=None, description="name or path of a single scenario")
    scenarios: _Names = Field(default=[], description="names or paths of several scenarios")
    strategies: _Names = Field(default=[], description="names or paths; empty: the scenario's strategy")
    seeds: _Seeds = Field(default=[], description="seeds of the runs; empty: the scenario's seed")
    overrides: Changes = Field(default={}, description="overrides of every run, by dotted key")
    grid: _Grid = Field(default={}, description="lists of values by dotted key; every combination runs")
    choose: Choose | None = Field(default=None, description="run only the best point on held-out images")
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="device of the runs")
    cpus: float | None = Field(
        default=None, gt=0, description="CPU cores per run, also fractions; null: chosen by the engine"
    )
    gpus: float | None = Field(
        default=None, ge=0, description="GPUs per run, also fractions; null: one if there is any"
    )
    retries: int = Field(default=2, ge=0, le=100, description="restarts of a run that dies or fails")
    # Last, because below it the name means the field.
    list: _Points = Field(default=[], description="changes that belong together; each entry runs with the whole grid")
