"""Schema of ``trackers:``, the destinations of a run's figures besides its directory. Imports no tracker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field

from clsim.utils.block import Block
from clsim.utils.errors import UserError
from clsim.utils.text import suggestion

TrackerName = Literal["tensorboard", "wandb", "mlflow"]
NAMES: tuple[TrackerName, ...] = get_args(TrackerName)


class TensorBoard(Block):
    """TensorBoard, as event files in the run directory."""

    kind: Literal["tensorboard"] = "tensorboard"


class Wandb(Block):
    """Weights & Biases, as files in the run directory, and on its server in mode online."""

    kind: Literal["wandb"] = "wandb"
    project: str = Field(default="clsim", min_length=1, description="project of the run")
    entity: str | None = Field(default=None, min_length=1, description="user or team; null: the login")
    mode: Literal["offline", "online"] = Field(
        default="offline", description="files only, or the server too; the environment variable WANDB_MODE overrides it"
    )


class Mlflow(Block):
    """MLflow, as a folder of files or on a server."""

    kind: Literal["mlflow"] = "mlflow"
    uri: str | None = Field(
        default=None, min_length=1, description="folder or server; null: MLFLOW_TRACKING_URI, else ./mlruns"
    )
    experiment: str | None = Field(default=None, min_length=1, description="name; null: that of the scenario")


TrackerBlock = TensorBoard | Wandb | Mlflow
_BLOCKS: dict[str, type[TensorBoard] | type[Wandb] | type[Mlflow]] = {
    "tensorboard": TensorBoard,
    "wandb": Wandb,
    "mlflow": Mlflow,
}


def _each_once(listed: list[TrackerName | TrackerBlock]) -> list[TrackerName | TrackerBlock]:
    for name, times in Counter(map(_name, listed)).items():
        if times > 1:
            raise ValueError(f"the tracker '{name}' appears {times} times")
    return listed


Trackers = Annotated[
    list[TrackerName | Annotated[TrackerBlock, Field(discriminator="kind")]], AfterValidator(_each_once)
]


def chosen_trackers(listed: Iterable[str | TrackerBlock], names: Sequence[str] = ()) -> list[TrackerBlock]:
    """Return the trackers of a scenario and further ones by name, each once.

    Args:
        listed: Trackers of the scenario, whose settings apply.
        names: Names of further trackers, with their defaults.

    Raises:
        UserError: There is no tracker of that name.

    Example:
        >>> chosen_trackers([Mlflow(experiment="mine")], ["mlflow", "tensorboard"])
        [Mlflow(kind='mlflow', uri=None, experiment='mine'), TensorBoard(kind='tensorboard')]

    """
    found: dict[str, TrackerBlock] = {}
    for each in [*listed, *names]:
        name = _name(each)
        if name not in _BLOCKS:
            raise UserError(f"there is no tracker '{name}'", where="--track", fix=suggestion(name, NAMES))
        if name not in found:
            found[name] = _BLOCKS[name]() if isinstance(each, str) else each
    return list(found.values())


def _name(each: str | TrackerBlock) -> str:
    return each if isinstance(each, str) else each.kind
