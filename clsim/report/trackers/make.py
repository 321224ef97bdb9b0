"""The trackers of a run. Imports the package of none before the run begins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec

from clsim.config.trackers import Mlflow, TensorBoard, TrackerBlock, Wandb
from clsim.experiment.events import Listener
from clsim.report.reporters.background import BackgroundListener
from clsim.report.trackers.tracker import Tracker
from clsim.utils.errors import UserError


def check_trackers(blocks: Sequence[TrackerBlock]) -> None:
    """Check, before anything is loaded, that the trackers can be used.

    Raises:
        UserError: A package or a key is missing.

    """
    missing = [block.kind for block in blocks if not _is_installed(block.kind)]
    if missing:
        needs = f"the tracker {missing[0]} needs" if len(missing) == 1 else f"the trackers {', '.join(missing)} need"
        what = f"{needs} a package that is not installed"
        raise UserError(what, where="trackers", fix="pip install 'clsim[trackers]'")
    for block in blocks:
        if isinstance(block, Wandb):
            from clsim.report.trackers.wandb import check_login

            check_login(block)


@contextmanager
def tracking(blocks: Sequence[TrackerBlock]) -> Iterator[list[Listener]]:
    """Open a listener for every tracker, each in a thread of its own; close them in the end."""
    check_trackers(blocks)
    trackers = [BackgroundListener(make_tracker(block)) for block in blocks]
    try:
        yield [*trackers]
    finally:
        for tracker in trackers:
            tracker.close()


def make_tracker(block: TrackerBlock) -> Tracker:
    """Return the tracker that a block describes."""
    if isinstance(block, TensorBoard):
        from clsim.report.trackers.tensorboard import TensorBoardTracker

        return TensorBoardTracker()
    if isinstance(block, Mlflow):
        from clsim.report.trackers.mlflow import MlflowTracker

        return MlflowTracker(block)
    from clsim.report.trackers.wandb import WandbTracker

    return WandbTracker(block)


def _is_installed(package: str) -> bool:
    """Return whether a package can be imported; a folder of that name, which trackers write, is no package."""
    spec = find_spec(package)
    return spec is not None and spec.origin is not None
