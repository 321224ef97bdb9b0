"""Few-shot sessions repeated over draws of their shots, each from the state after the one base session.

The base session of a run is trained and evaluated once. A draw is a run directory ``draws/01``, ... below that of the
run, with the record of the base session and records of its own. It is written when the draw ends, so that a killed run
repeats at most one draw.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

from clsim.experiment.build import Experiment, experiment_of_draw
from clsim.experiment.checkpoint.checkpointer import Checkpointer
from clsim.experiment.checkpoint.codec import State
from clsim.experiment.checkpoint.files import FIRST, Checkpoints, Damaged
from clsim.experiment.checkpoint.frozen_weights import FrozenWeights
from clsim.experiment.checkpoint.snapshots import Snapshots
from clsim.experiment.evaluation import SessionEvaluator
from clsim.experiment.events import DrawEnded
from clsim.experiment.run_manifest import draw_manifest
from clsim.experiment.session import OpenRun, evaluate_session, no_results
from clsim.plugins import LossGuard
from clsim.results.draws import over_draws
from clsim.results.manifest import NAME, sealed
from clsim.results.results import Results
from clsim.results.run_directory import RunDirectory
from clsim.utils import distributed
from clsim.utils.device import device_time
from clsim.utils.errors import RunFailed, UserError

FOLDER = "draws"


def check_repeatable(experiment: Experiment, checkpointer: Checkpointer) -> None:
    """Check that the state after the base session can be stored, if the experiment has draws.

    Some states show only after a session that they cannot be stored.

    Raises:
        UserError: It cannot, or the run has several processes.

    """
    if not experiment.draws:
        return
    if not checkpointer.saves:
        what = "draws begin from a checkpoint after the base session, which this strategy cannot store"
        raise UserError(what, where="draws", fix="the note above names the plugin at fault; or leave draws out")
    if distributed.is_distributed():
        raise UserError("a run of several processes has no draws", where="draws", fix="run it in one process")


def run_draws(run: OpenRun, checkpoints: Checkpoints) -> None:
    """Repeat the few-shot sessions on every draw that is not done, and add the figures to the results.

    Args:
        run: Run whose sessions are all done.
        checkpoints: Its checkpoints, with the one after the base session.

    Raises:
        RunFailed: That checkpoint is missing or damaged, or a draw cannot continue.

    """
    experiment = run.experiment
    assert experiment.scenario is not None
    done, base = list[dict[str, Any]](), _Base(checkpoints, str(experiment.strategy.device))
    for number in range(1, experiment.draws + 1):
        path = draw_path(run.directory.path, number)
        results = _finished(path)
        if results is None:
            results = _repeat(run, number, path, base)
            run.listener.on_event(DrawEnded(number, experiment.draws, results))
        done.append(results)
    run.results.draws = over_draws(done, experiment.scenario.draw_seeds)
    checkpoints.release_first()


def draw_path(run: Path, number: int) -> Path:
    """Return the directory of a draw.

    Example:
        >>> draw_path(Path("run"), 3).as_posix()
        'run/draws/03'

    """
    return run / FOLDER / f"{number:02d}"


class _Base:
    """The state after the base session, read once; each draw gets a copy of what it may change."""

    def __init__(self, checkpoints: Checkpoints, device: str) -> None:
        self._checkpoints = checkpoints
        self._device = device
        self._state: State = None
        self.frozen = FrozenWeights()

    def state(self) -> State:
        if self._state is None:
            try:
                self._state = self._checkpoints.load(FIRST, self._device)
            except Damaged as error:
                what = f"the checkpoint after the base session cannot be used: {error}"
                raise RunFailed(what, fix="start the run again in another directory") from error
        strategy = self._state["strategy"]
        # Weights are copied into the model; plugins may keep and change what they are given.
        own = {key: value if key == "model" else copy.deepcopy(value) for key, value in strategy.items()}
        return {**self._state, "strategy": own}


def _finished(path: Path) -> dict[str, Any] | None:
    """Return the results of a draw that is done; its manifest is written last."""
    return Results.read(path).to_dict() if (path / NAME).exists() else None


def _repeat(run: OpenRun, number: int, path: Path, base: _Base) -> dict[str, Any]:
    """Run the few-shot sessions on one draw and write its directory."""
    repeated = experiment_of_draw(run.experiment, number)
    evaluator = SessionEvaluator.of(repeated, path)
    evaluator.attach(repeated.strategy)
    draw = replace(run, experiment=repeated, evaluator=evaluator, results=no_results(repeated, path))
    assert repeated.scenario is not None
    repeated.strategy.add_plugin(LossGuard(repeated.scenario.on_nan))
    state = base.state()
    snapshots = Snapshots(repeated.strategy, base.frozen)
    snapshots.restore_between_sessions(state["strategy"], repeated.stream.train_stream[:1])
    draw.results.load_state_dict(state["results"])
    for session in range(1, len(repeated.stream)):
        start = device_time(repeated.strategy.device)
        repeated.strategy.train(repeated.stream.train_stream[session], eval_streams=[])
        evaluate_session(draw, session, device_time(repeated.strategy.device) - start)
    draw.results.status = "complete"
    _write(draw, path, draw_manifest(run.directory, repeated, number))
    return draw.results.to_dict()


def _write(draw: OpenRun, path: Path, manifest: dict[str, Any]) -> None:
    """Write the directory of a draw, the manifest last."""
    assert draw.experiment.scenario is not None
    directory = RunDirectory(path, resume=True)
    try:
        directory.write_text("scenario.yaml", draw.experiment.scenario.to_yaml())
        directory.write_sessions(draw.results.sessions)
        directory.write_json("results.json", draw.results.to_dict())
        directory.write_json(NAME, sealed(manifest, path))
    finally:
        directory.close()
