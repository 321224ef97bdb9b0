"""The session loop: train, evaluate, store, notify the listeners."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import torch

from clsim.experiment import run_paths
from clsim.experiment.build import Experiment
from clsim.experiment.checkpoint.checkpointer import Checkpointer, Schedule
from clsim.experiment.checkpoint.files import Checkpoints
from clsim.experiment.draws import check_repeatable, run_draws
from clsim.experiment.evaluation import SessionEvaluator
from clsim.experiment.events import (
    Broadcast,
    FilesWritten,
    Listener,
    NotesOnStderr,
    RunEnded,
    RunInfo,
    RunStarted,
    SessionEnded,
)
from clsim.experiment.run_manifest import precision_begun, record_features, resume_manifest, write_manifest
from clsim.experiment.session import OpenRun, evaluate_session, no_results
from clsim.plugins import LossGuard, Progress
from clsim.results.manifest import seal
from clsim.results.record import SessionRecord
from clsim.results.results import Results
from clsim.results.run_directory import ReadOnlyRunDirectory, RunDirectory
from clsim.results.run_figures import published_of_versions
from clsim.utils import distributed
from clsim.utils.device import device_time
from clsim.utils.hints import batch_settings, explained
from clsim.utils.signals import Interrupted, Interruption


def simulate(
    experiment: Experiment,
    *,
    out: Path | None = None,
    resume: bool = False,
    force: bool = False,
    listeners: Sequence[Listener] = (),
) -> Results:
    """Run an experiment: train and evaluate its strategy on every session of its stream.

    Args:
        experiment: Stream and strategy.
        out: Run directory; the default is ``runs/<scenario>/<strategy>/seed<seed>-<time>``.
        resume: Whether to resume the run in ``out``, or the last one that is not complete. Begins if there is none.
        force: Whether to resume even if scenario, code, data or weights have changed.
        listeners: Listeners for the events of the run; an exception in one ends the run. Without any, notes are printed
            on standard error.

    Returns:
        The figures, as in ``results.json``.

    Raises:
        UserError: The input is wrong; nothing was written.
        RunFailed: The run could not continue; all files written so far are whole.

    """
    run = _open(experiment, out, resume, listeners)
    started, threads = time.perf_counter(), torch.get_num_threads()
    try:
        manifest = _begin_or_resume(run, resume=resume, force=force)
        if manifest is not None and run.directory.status == "complete":
            return _finish_again(run, manifest)
        _loop(run, resumed=manifest is not None)
    finally:
        run.directory.close()
        torch.set_num_threads(threads)  # a strategy may have set its own number
        run.listener.on_event(RunEnded(run.results.to_dict(), time.perf_counter() - started))
    return run.results


# -- open ---------------------------------------------------------------------------------------------------


def _open(experiment: Experiment, out: Path | None, resume: bool, listeners: Sequence[Listener]) -> OpenRun:
    """Take the run directory and attach the metrics to the strategy."""
    strategy = experiment.strategy
    path = distributed.broadcast(lambda: out or run_paths.choose(experiment, resume=resume))
    try:
        # Before the directory is taken: a metric may not suit the images.
        evaluator = SessionEvaluator.of(experiment, path)
        directory = RunDirectory(path, resume=resume) if distributed.is_main() else ReadOnlyRunDirectory(path)
    except BaseException:
        if out is None and distributed.is_main():
            run_paths.remove_if_empty(path)
        raise
    evaluator.attach(strategy)
    if strategy.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(strategy.device)
    heard: Sequence[Listener] = (listeners or (NotesOnStderr(),)) if distributed.is_main() else ()
    return OpenRun(
        experiment,
        evaluator,
        directory,
        no_results(experiment, path),
        Broadcast(heard),
        reports_progress=bool(listeners) and distributed.is_main(),
    )


def _begin_or_resume(run: OpenRun, *, resume: bool, force: bool) -> dict[str, Any] | None:
    """Write the manifest of a new run, or return that of the run to resume."""
    experiment, directory = run.experiment, run.directory
    if resume:
        experiment.strategy.precision = distributed.broadcast(lambda: precision_begun(directory, experiment))
    manifest = distributed.broadcast(lambda: resume_manifest(directory, experiment, force=force) if resume else None)
    if manifest is None:
        write_manifest(directory, experiment)
    elif directory.status != "complete":
        torch.set_num_threads(manifest["threads"])  # the rounding of sums depends on the number of threads
    return manifest


# -- loop ---------------------------------------------------------------------------------------------------


def _loop(run: OpenRun, *, resumed: bool) -> None:
    """Train and evaluate every session that is not done; write the files after each."""
    experiment, directory, results = run.experiment, run.directory, run.results
    interruption = Interruption()
    checkpointer = _checkpointer(run, interruption)
    if run.reports_progress:
        experiment.strategy.add_plugin(Progress(run.listener))
    run.listener.on_event(RunStarted(_info(experiment, directory.path)))
    for note in (*experiment.notes, *run.evaluator.notes):
        run.note(note)
    try:
        with interruption.listening(), _status(results, directory), _place_named(checkpointer):
            first = checkpointer.resume() if resumed else 0
            distributed.barrier()  # until all ranks have read what the main one is about to replace
            directory.write_sessions(results.sessions)
            for session in range(first, len(experiment.stream)):
                check_repeatable(experiment, checkpointer)
                _session(run, session, checkpointer)
            if experiment.draws:
                interruption.waits = False  # a draw under way is repeated
                run_draws(run, checkpointer.checkpoints)
        if distributed.is_main():
            record_features(directory, experiment.strategy.model)
            seal(directory.path)
    finally:
        run.listener.on_event(FilesWritten(directory.path))


def _session(run: OpenRun, session: int, checkpointer: Checkpointer) -> None:
    """Train and evaluate one session; write its files and a checkpoint."""
    directory, results = run.directory, run.results
    record = _train_and_evaluate(run, session, checkpointer)
    directory.append_session(record.to_dict())
    directory.write_json("results.json", results.to_dict())
    if confusion := run.evaluator.confusion_record(run.experiment.stream, session):
        directory.write_json("confusion.json", confusion)
    if trained := checkpointer.trained_weights():
        directory.save_weights("last", trained)
    if distributed.is_main():
        run.listener.on_event(SessionEnded(results.to_dict()))
    checkpointer.measured()


def _train_and_evaluate(run: OpenRun, session: int, checkpointer: Checkpointer) -> SessionRecord:
    """Train one session, evaluate the model and add the record to the results."""
    strategy, stream = run.experiment.strategy, run.experiment.stream
    checkpointer.begin(session)
    start = device_time(strategy.device)
    if not checkpointer.is_trained:
        with _explained(run.experiment, checkpointer, "training"):
            strategy.train(stream.train_stream[session], eval_streams=[])
    train_seconds = checkpointer.trained(device_time(strategy.device) - start)
    with _explained(run.experiment, checkpointer, "evaluating"):
        return evaluate_session(run, session, train_seconds)


def _checkpointer(run: OpenRun, interruption: Interruption) -> Checkpointer:
    """Return the run's checkpointer; the guard against a bad loss names its last checkpoint."""
    strategy, scenario = run.experiment.strategy, run.experiment.scenario
    guard = LossGuard("stop" if scenario is None else scenario.on_nan)
    strategy.add_plugin(guard)
    checkpointer = Checkpointer(
        strategy,
        run.experiment.stream,
        run.results,
        Checkpoints(run.directory.path / "checkpoints", keeps_first=bool(run.experiment.draws)),
        schedule=Schedule() if scenario is None else Schedule(**scenario.checkpoints.model_dump()),
        interruption=interruption,
        note=run.note,
    )
    guard.advice = checkpointer.where
    return checkpointer


def _explained(experiment: Experiment, checkpointer: Checkpointer, doing: str) -> AbstractContextManager[None]:
    """Add a hint where memory runs out."""
    strategy, settings = experiment.strategy, "evaluation.batch_size or evaluation.memory"
    batch = strategy.eval_mb_size
    if doing == "training":
        session = experiment.stream.train_stream[checkpointer.session]
        batch = strategy.session_plan(session).train_mb_size or batch
        settings = batch_settings(experiment.scenario.selected_strategy.settings if experiment.scenario else {}, batch)
    return explained(f"{doing} in session {checkpointer.session}", batch, settings, checkpointer.where)


@contextmanager
def _place_named(checkpointer: Checkpointer) -> Iterator[None]:
    """Name the last checkpoint in an interruption that did not wait for one."""
    try:
        yield
    except Interrupted:
        raise
    except KeyboardInterrupt as error:
        raise Interrupted(checkpointer.where()) from error


@contextmanager
def _status(results: Results, directory: RunDirectory) -> Iterator[None]:
    """Write how the run ended."""
    try:
        yield
        results.status = "complete"
    except KeyboardInterrupt:
        raise  # the status of a run is "interrupted" from its beginning
    except BaseException:
        results.status = "failed"
        raise
    finally:
        directory.write_json("results.json", results.to_dict())


def _info(experiment: Experiment, path: Path) -> RunInfo:
    scenario = experiment.scenario
    # Published figures are from test images.
    comparable = scenario is not None and experiment.validation is None
    published = scenario.published.get(experiment.strategy_name) if scenario and comparable else None
    return RunInfo(
        scenario=experiment.name,
        strategy=experiment.strategy_name,
        seed=experiment.seed,
        device=str(experiment.strategy.device),
        dataset=experiment.stream.dataset.name,
        sessions=len(experiment.stream),
        out=str(path),
        stands_in_for=experiment.stands_in_for,
        published=list(published.accuracy) if published and published.accuracy else None,
        published_compatibility=(published and published_of_versions(published)) or None,
        published_source=published.source if published else None,
        upgrades_by=scenario.upgrades_by if scenario else None,
        validation=experiment.validation,
    )


# -- finish -------------------------------------------------------------------------------------------------


def _finish_again(run: OpenRun, manifest: Mapping[str, Any]) -> Results:
    """Return the results of a run that is complete; seal it if it was killed just before."""
    path = run.directory.path
    if "files" not in manifest and distributed.is_main():
        seal(path)
        run.listener.on_event(FilesWritten(path))
    run.note(f"{path} is complete already")
    return Results.read(path)
