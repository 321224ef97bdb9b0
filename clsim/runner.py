"""The session loop: train, measure, store, report."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from clsim.config import Scenario
from clsim.device import device_time, peak_memory
from clsim.manifest import seal, write_manifest
from clsim.measured import Measured, forgetting_record, known, replacement_records
from clsim.plugins import Progress
from clsim.prepare import Prepared, prepare, prepare_given, resolve_device
from clsim.report.reporter import Reporter, RunInfo
from clsim.store import Results, RunDirectory, check_usable
from clsim.streams import Stream, TextStream
from clsim.training import Strategy


def run(
    scenario: Scenario | Stream | TextStream | str | Path,
    strategy: str | Path | Strategy | None = None,
    *,
    overrides: Mapping[str, object] | Sequence[str] | None = None,
    seed: int | None = None,
    device: str = "auto",
    out: Path | str | None = None,
    strict: bool = False,
    reporter: Reporter | None = None,
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
        reporter: is told of every step.

    Returns:
        The figures, as ``results.json`` holds them too.

    Raises:
        UserError: the input is wrong; nothing was written.

    """
    device = resolve_device(device)
    if out is not None:
        check_usable(Path(out))
    if isinstance(scenario, Stream | TextStream):
        if overrides or seed is not None:
            raise TypeError("a strategy composed in Python has its settings and its seed already")
        prepared = prepare_given(scenario, strategy)
    else:
        prepared = prepare(scenario, strategy, overrides, seed, device, strict)
    return simulate(prepared, out=None if out is None else Path(out), reporter=reporter)


def simulate(prepared: Prepared, *, out: Path | None = None, reporter: Reporter | None = None) -> Results:
    """The session loop over a prepared stream and strategy; see :func:`run`."""
    strategy, stream = prepared.strategy, prepared.stream
    path = out or _default_path(prepared)
    # Before the directory is taken: what is asked for may not suit the images.
    measured = Measured.of(prepared, path)
    directory = RunDirectory(path)
    results = Results(prepared.name, prepared.strategy_name, prepared.seed, path, stands_in_for=prepared.stands_in_for)
    if prepared.scenario is not None:
        results.measures_forgetting = prepared.scenario.evaluation.forgetting
    if isinstance(stream, TextStream):
        results.measures_forgetting = False  # every session is tested on the same pairs: it would be a gain
    measured.attach(strategy)
    if strategy.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(strategy.device)
    started, threads = time.perf_counter(), torch.get_num_threads()
    try:
        write_manifest(directory, prepared)
        if reporter is not None:
            strategy.plugins.insert(strategy.plugins.index(strategy.evaluator), Progress(reporter))
            reporter.run_started(_info(prepared, path))
        with _status(results, directory):
            for session in range(len(stream)):
                record = _session(strategy, stream, session, measured, results)
                directory.append_session(record)
                directory.write_json("results.json", results.to_dict())
                if trained := _trained(strategy):
                    directory.save_weights("last", trained)
                if reporter is not None:
                    reporter.session_ended(results.to_dict())
        seal(path)
    finally:
        directory.close()
        torch.set_num_threads(threads)  # a strategy may have chosen its own; the next one starts afresh
        if reporter is not None:
            reporter.run_ended(results.to_dict(), time.perf_counter() - started)
    return results


def _session(
    strategy: Strategy, stream: Stream | TextStream, session: int, measured: Measured, results: Results
) -> dict[str, Any]:
    """Trains one session, measures the model and adds the record to the results."""
    start = device_time(strategy.device)
    strategy.train(stream.train_stream[session], eval_streams=[])
    trained = device_time(strategy.device)
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
        "training": measured.training_record(),
        "train_seconds": trained - start,
        "eval_seconds": evaluated - trained,
        "images_trained": strategy.images_trained,
        "diagnostics": known(strategy.model.diagnostics()) if hasattr(strategy.model, "diagnostics") else {},
        "trainable_parameters": sum(p.numel() for p in strategy.model.parameters() if p.requires_grad),
        "peak_memory_bytes": peak_memory(strategy.device),
    }
    results.add(record, accuracy.by_session, accuracy.test_images)
    return record


def _default_path(prepared: Prepared) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    return Path("runs") / prepared.name / prepared.strategy_name / f"seed{prepared.seed}-{stamp}"


def _info(prepared: Prepared, path: Path) -> RunInfo:
    published = prepared.scenario.published.get(prepared.strategy_name) if prepared.scenario else None
    compatibility = {"ac": published.ac, "am": published.am} if published else {}
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
        published_compatibility=compatibility if any(value is not None for value in compatibility.values()) else None,
    )


def _trained(strategy: Strategy) -> dict[str, torch.Tensor]:
    """What training can have changed: trainable parameters and buffers."""
    frozen = {name for name, parameter in strategy.model.named_parameters() if not parameter.requires_grad}
    return {name: tensor for name, tensor in strategy.model.state_dict().items() if name not in frozen}


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
