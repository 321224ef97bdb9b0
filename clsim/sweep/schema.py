"""The schema of a sweep: what its YAML file may say."""

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
    """How the point that runs with all seeds is chosen: by runs that are measured on held-out training images."""

    by: Measure = Field(default="average_accuracy", description="figure of the summary")
    maximise: bool | None = Field(
        default=None, description="whether the greatest is the best; null: as the figure has it, the least forgetting"
    )
    share: float = Field(default=0.2, gt=0, lt=1, description="of every class's training images that is held out")
    seed: Seed = Field(default=0, description="of the draw of the held-out images")
    seeds: _Seeds = Field(default=[], description="of these runs, whose mean counts; none: those of the sweep")


class Sweep(Block):
    """Runs of every scenario with every strategy, at every point of the grid, with every seed."""

    description: str = Field(default="", description="what is compared, in a sentence")
    scenario: str | None = Field(default=None, description="name or path of the one scenario")
    scenarios: _Names = Field(default=[], description="names or paths, where there are several")
    strategies: _Names = Field(default=[], description="names or paths; none: the scenario's own")
    seeds: _Seeds = Field(default=[], description="of the runs; none: the scenario's own")
    overrides: Changes = Field(default={}, description="changes to every run, by dotted key")
    grid: _Grid = Field(default={}, description="values by dotted key, of which every combination runs")
    choose: Choose | None = Field(default=None, description="run only the point that is best on held-out images")
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="where the runs compute")
    cpus: float | None = Field(default=None, gt=0, description="of a run, also parts of one; null: the engine's choice")
    gpus: float | None = Field(default=None, ge=0, description="of a run, also parts of one; null: one where there is")
    retries: int = Field(default=2, ge=0, le=100, description="how often a run that dies or fails is taken up again")
    # Last, because below it the name means the field.
    list: _Points = Field(default=[], description="changes that go together; each runs with the whole grid")
