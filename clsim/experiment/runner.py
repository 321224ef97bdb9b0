"""The session loop: train, measure, store, report."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from itertools import count
from pathlib import Path
from typing import Any

import torch

from clsim.config import Scenario
from clsim.config.trackers import TrackerBlock, chosen_trackers
from clsim.experiment.build import Experiment, prepare, prepare_given, resolve_device
from clsim.experiment.checkpoint.checkpointer import Checkpointer, Schedule
from clsim.experiment.checkpoint.files import Checkpoints
from clsim.experiment.evaluation import SessionEvaluator, forgetting_record, known, replacement_records
from clsim.experiment.reporter import Reporter, RunInfo
from clsim.plugins import LossGuard, Progress
from clsim.report.html.write import report_left
from clsim.report.reporters.safe import Resilient
from clsim.report.trackers.make import tracked
from clsim.results.manifest import go_on, precision_begun, seal, write_manifest
from clsim.results.run_directory import Onlooker, Results, RunDirectory, check_usable
from clsim.results.run_figures import published_of_versions
from clsim.streams import Stream, TextStream
from clsim.training import Strategy
from clsim.utils import distributed
from clsim.utils.arguments import Seed, checked
from clsim.utils.device import device_time, peak_memory
from clsim.utils.errors import ArgumentError
from clsim.utils.files import from_home
from clsim.utils.hints import batch_settings, explained
from clsim.utils.signals import Interrupted, Interruption


@checked
def run(
    scenario: Scenario | Stream | TextStream | str | Path,
    strategy: str | Path | Strategy | None = None,
    *,
    overrides: Mapping[str, object] | Sequence[str] | None = None,
    seed: Seed | None = None,
    device: str | torch.device = "auto",
    out: Path | str | None = None,
    strict: bool = False,
    resume: bool = False,
    force: bool = False,
    reporter: Reporter | None = None,
    trackers: Sequence[str | TrackerBlock] | None = None,
) -> Results:
    """Runs one strategy through one stream and leaves a run directory.

    Args:
        scenario: a scenario, its name or path; or a stream, and then ``strategy`` is a :class:`Strategy`.
        strategy: name or path of another strategy than the scenario's own.
        overrides: changes to a scenario that is loaded by name, ``{"stream.shots": 1}`` or ``["stream.shots=1"]``.
        seed: another seed than the scenario's own; a strategy composed in Python was seeded when it was.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:i``; a strategy composed in Python has its own.
        out: the run directory; ``runs/<scenario>/<strategy>/seed<seed>-<time>`` without it.
        strict: raise if data or weights are missing, rather than run the stand-in.
        resume: go on with the run in ``out``, or with the last one that was not completed; begin if there is none.
        force: go on even if scenario, code, data or weights are not the same any more, and note what differs.
        reporter: is told of every step; if it fails, the run goes on without.
        trackers: names or blocks, in place of the scenario's own.

    Returns:
        The figures, as ``results.json`` holds them too.

    Raises:
        UserError: the input is wrong; nothing was written.
        RunFailed: it could not go on; what was written before is whole.

    """
    out = None if out is None else from_home(out, "--out")
    device = distributed.join(resolve_device(str(device)))
    if out is not None and distributed.is_main():
        check_usable(out, resume=resume)
    if isinstance(scenario, Stream | TextStream):
        if overrides or seed is not None:
            raise ArgumentError("a strategy composed in Python has its settings and its seed already")
        prepared = prepare_given(scenario, strategy)
    else:
        prepared = distributed.main_first(lambda: prepare(scenario, strategy, overrides, seed, device, strict))
    own = prepared.scenario.trackers if prepared.scenario else []
    chosen = chosen_trackers(own if trackers is None else trackers) if distributed.is_main() else []
    with tracked(reporter, chosen) as told:
        return simulate(prepared, out=out, resume=resume, force=force, reporter=told)


def simulate(
    prepared: Experiment,
    *,
    out: Path | None = None,
    resume: bool = False,
    force: bool = False,
    reporter: Reporter | None = None,
) -> Results:
    """The session loop over a prepared stream and strategy; see :func:`run`."""
    strategy, stream = prepared.strategy, prepared.stream
    path = distributed.broadcast(lambda: out or (resume and _last_unfinished(prepared)) or _own_path(prepared))
    told = None if reporter is None or not distributed.is_main() else Resilient(reporter)
    try:
        # Before the directory is taken: what is asked for may not suit the images.
        measured = SessionEvaluator.of(prepared, path)
        directory = RunDirectory(path, resume=resume) if distributed.is_main() else Onlooker(path)
    except BaseException:
        if out is None and distributed.is_main():
            _remove_empty(path)
        raise
    results = Results(prepared.name, prepared.strategy_name, prepared.seed, path, stands_in_for=prepared.stands_in_for)
    results.validation = prepared.validation
    if prepared.scenario is not None:
        results.measures_forgetting = prepared.scenario.evaluation.forgetting
    if isinstance(stream, TextStream):
        results.measures_forgetting = False  # every session is tested on the same pairs: it would be a gain
    measured.attach(strategy)
    if strategy.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(strategy.device)
    started, threads = time.perf_counter(), torch.get_num_threads()
    interruption = Interruption()
    try:
        if resume:
            strategy.precision = distributed.broadcast(lambda: precision_begun(directory, prepared))
        begun = distributed.broadcast(lambda: go_on(directory, prepared, force=force) if resume else None)
        if begun is None:
            write_manifest(directory, prepared)
        elif directory.status == "complete":
            return _left_as_it_is(directory, begun, told)
        else:
            torch.set_num_threads(begun["threads"])  # sums are split among threads, and rounded by the parts
        keeper = _keeper(prepared, results, directory, interruption, told)
        if told is not None:
            strategy.plugins.insert(strategy.plugins.index(strategy.evaluator), Progress(told))
            told.run_started(_info(prepared, path))
        if distributed.is_main():
            for note in (*prepared.notes, *measured.notes):
                (_tell if told is None else told.note)(note)
        with report_left(path, _tell if told is None else told.note) if distributed.is_main() else nullcontext():
            with interruption.listening(), _status(results, directory), _place_told(keeper):
                first = 0 if begun is None else keeper.resume()
                distributed.barrier()  # until all have read what the first is going to replace
                directory.write_sessions(results.sessions)
                for session in range(first, len(stream)):
                    record = _session(prepared, session, measured, results, keeper)
                    directory.append_session(record)
                    directory.write_json("results.json", results.to_dict())
                    if confusion := measured.confusion_record(stream, session):
                        directory.write_json("confusion.json", confusion)
                    if trained := keeper.trained_weights():
                        directory.save_weights("last", trained)
                    if told is not None:
                        told.session_ended(results.to_dict())
                    keeper.measured()
            if distributed.is_main():
                seal(path)
    finally:
        directory.close()
        torch.set_num_threads(threads)  # a strategy may have chosen its own; the next one starts afresh
        if told is not None:
            told.run_ended(results.to_dict(), time.perf_counter() - started)
    return results


def _session(
    prepared: Experiment, session: int, measured: SessionEvaluator, results: Results, keeper: Checkpointer
) -> dict[str, Any]:
    """Trains one session, measures the model and adds the record to the results."""
    strategy, stream = prepared.strategy, prepared.stream
    keeper.begin(session)
    start = device_time(strategy.device)
    if not keeper.is_trained:
        with _explained(prepared, keeper, "training"):
            strategy.train(stream.train_stream[session], eval_streams=[])
    trained = device_time(strategy.device)
    train_seconds = keeper.trained(trained - start)
    trained = device_time(strategy.device)
    with _explained(prepared, keeper, "evaluating"):
        strategy.eval(stream.test_stream[: session + 1])
    evaluated = device_time(strategy.device)
    accuracy = measured.session_accuracy(stream, session)
    matrix = [*results.accuracy_matrix, accuracy.by_session]
    arrived = replacement_records(strategy, stream, session)
    versions = measured.versions
    record = {
        "session": session,
        **accuracy.classes,
        "replaced_by": arrived[-1]["model"] if arrived else None,
        "replacements": arrived,
        **accuracy.figures,
        "accuracy_by_session": accuracy.by_session,
        "forgetting": forgetting_record(matrix) if results.measures_forgetting else None,
        "compatibility": versions and versions.record(),
        "service": versions and versions.service_record(),
        "metrics": measured.own_record(strategy),
        "training": measured.training_record(),
        "train_seconds": train_seconds,
        "eval_seconds": evaluated - trained,
        "images_trained": strategy.images_trained,
        "iterations": strategy.clock.train_exp_iterations,
        "diagnostics": known(strategy.model.diagnostics()) if hasattr(strategy.model, "diagnostics") else {},
        "trainable_parameters": sum(p.numel() for p in strategy.model.parameters() if p.requires_grad),
        "peak_memory_bytes": peak_memory(strategy.device),
    }
    results.add(record, accuracy.by_session, accuracy.test_images)
    return record


def _place(prepared: Experiment) -> Path:
    """Return the folder of all runs of this scenario and strategy that were given no directory."""
    return Path("runs") / prepared.name / prepared.strategy_name


def _own_path(prepared: Experiment) -> Path:
    """Make a directory named by seed and second; a further run that begins in the same second gets a number.

    Making it is what reserves it, also from runs on other machines that share the disk.
    """
    place, stamp = _place(prepared), time.strftime("%Y%m%d-%H%M%S")
    check_usable(place)
    for number in count(1):
        path = place / (f"seed{prepared.seed}-{stamp}" + (f"-{number}" if number > 1 else ""))
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        return path
    raise AssertionError("unreachable")


def _remove_empty(path: Path) -> None:
    with suppress(OSError):
        path.rmdir()


def _info(prepared: Experiment, path: Path) -> RunInfo:
    scenario = prepared.scenario
    # What is published was measured on test images.
    compared = scenario is not None and prepared.validation is None
    published = scenario.published.get(prepared.strategy_name) if scenario and compared else None
    return RunInfo(
        scenario=prepared.name,
        strategy=prepared.strategy_name,
        seed=prepared.seed,
        device=str(prepared.strategy.device),
        dataset=prepared.stream.dataset.name,
        sessions=len(prepared.stream),
        out=str(path),
        stands_in_for=prepared.stands_in_for,
        published=list(published.accuracy) if published and published.accuracy else None,
        published_compatibility=(published and published_of_versions(published)) or None,
        published_source=published.source if published else None,
        upgrades_by=scenario.upgrades_by if scenario else None,
        validation=prepared.validation,
    )


def _explained(prepared: Experiment, keeper: Checkpointer, doing: str) -> AbstractContextManager[None]:
    """Names what would help where memory runs out."""
    strategy, settings = prepared.strategy, "evaluation.batch_size or evaluation.memory"
    batch = strategy.eval_mb_size
    if doing == "training":
        batch = strategy.train_mb_size
        settings = batch_settings(prepared.scenario.selected_strategy.settings if prepared.scenario else {}, batch)
    return explained(f"{doing} in session {keeper.session}", batch, settings, keeper.where)


def _keeper(
    prepared: Experiment, results: Results, directory: RunDirectory, interruption: Interruption, told: Reporter | None
) -> Checkpointer:
    """What saves the run, and the guard that ends it with the place of the last checkpoint."""
    strategy, scenario = prepared.strategy, prepared.scenario
    guard = LossGuard("stop" if scenario is None else scenario.on_nan)
    strategy.plugins.insert(strategy.plugins.index(strategy.evaluator), guard)
    keeper = Checkpointer(
        strategy,
        prepared.stream,
        results,
        Checkpoints(directory.path / "checkpoints"),
        schedule=Schedule() if scenario is None else Schedule(**scenario.checkpoints.model_dump()),
        interruption=interruption,
        tell=_tell if told is None else told.note,
    )
    guard.advice = keeper.where
    return keeper


def _tell(text: str) -> None:
    print(f"clsim: {text}", file=sys.stderr)


def _left_as_it_is(directory: RunDirectory, begun: Mapping[str, Any], told: Reporter | None) -> Results:
    """A run that is complete; it is sealed and reported, if it was killed in its very last moment."""
    if "files" not in begun and distributed.is_main():
        with report_left(directory.path, _tell if told is None else told.note):
            seal(directory.path)
    if told is not None:
        told.note(f"{directory.path} is complete already")
    return Results.read(directory.path)


def _last_unfinished(prepared: Experiment) -> Path | None:
    """The latest run of this scenario, strategy and seed that was begun and not completed."""
    for path in sorted(_place(prepared).glob(f"seed{prepared.seed}-*"), key=_begun_in_order, reverse=True):
        try:
            status = json.loads((path / "results.json").read_text(encoding="utf-8")).get("status")
        except (OSError, ValueError, AttributeError):
            status = None
        if status != "complete" and (path / "manifest.json").exists():
            return path
    return None


def _begun_in_order(path: Path) -> tuple[int, str]:
    """Return a key that puts ``seed1-20260101-120000-10`` behind ``...-9``."""
    return len(path.name), path.name


@contextmanager
def _place_told(keeper: Checkpointer) -> Iterator[None]:
    """An interruption that did not wait for anything says where the run goes on, too."""
    try:
        yield
    except Interrupted:
        raise
    except KeyboardInterrupt as error:
        raise Interrupted(keeper.where()) from error


@contextmanager
def _status(results: Results, directory: RunDirectory) -> Iterator[None]:
    """Writes how the run ended, whatever ends it."""
    try:
        yield
        results.status = "complete"
    except KeyboardInterrupt:
        raise  # "interrupted", as it stands in the file all along
    except BaseException:
        results.status = "failed"
        raise
    finally:
        directory.write_json("results.json", results.to_dict())
