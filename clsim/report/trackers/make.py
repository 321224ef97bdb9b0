"""The trackers that a run was asked for. Imports none of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec

from clsim.config.trackers import Mlflow, TensorBoard, TrackerBlock, Wandb
from clsim.experiment.reporter import Reporter
from clsim.report.reporters.background import Aside
from clsim.report.reporters.multi import Several
from clsim.report.trackers.tracker import Tracker
from clsim.utils.errors import UserError


def check_trackers(blocks: Sequence[TrackerBlock]) -> None:
    """Makes sure, before anything is loaded, that the trackers can be had.

    Raises:
        UserError: a package is missing, or a key.

    """
    missing = [block.kind for block in blocks if not _is_installed(block.kind)]
    if missing:
        needs = f"the tracker {missing[0]} needs" if len(missing) == 1 else f"the trackers {', '.join(missing)} need"
        what = f"{needs} what is not installed here"
        raise UserError(what, where="trackers", fix="pip install 'clsim[trackers]'")
    for block in blocks:
        if isinstance(block, Wandb):
            from clsim.report.trackers.wandb import check_login

            check_login(block)


@contextmanager
def tracked(console: Reporter | None, blocks: Sequence[TrackerBlock]) -> Iterator[Reporter | None]:
    """The console's reporter with trackers beside it, each in a thread of its own; they are closed in the end."""
    if not blocks:
        yield console
        return
    check_trackers(blocks)
    trackers = [Aside(make_tracker(block)) for block in blocks]
    try:
        yield Several(console, trackers)
    finally:
        for tracker in trackers:
            tracker.close()


def make_tracker(block: TrackerBlock) -> Tracker:
    """The tracker that a block describes; what it needs is imported when a run begins."""
    if isinstance(block, TensorBoard):
        from clsim.report.trackers.tensorboard import TensorBoardTracker

        return TensorBoardTracker()
    if isinstance(block, Mlflow):
        from clsim.report.trackers.mlflow import MlflowTracker

        return MlflowTracker(block)
    from clsim.report.trackers.wandb import WandbTracker

    return WandbTracker(block)


def _is_installed(package: str) -> bool:
    """Whether it can be imported; a folder of that name, which trackers leave about, is no package."""
    spec = find_spec(package)
    return spec is not None and spec.origin is not None
