"""The session loop: train, measure, store, report."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from clsim.config import Scenario
from clsim.device import device_time
from clsim.errors import UserError
from clsim.files import sha256_of
from clsim.metrics import forgetting, harmonic_mean
from clsim.metrics.class_accuracy import ClassAccuracy, ClassCounts
from clsim.metrics.cross_test import CrossTests
from clsim.metrics.service import ServiceView
from clsim.plugins import ModelReplacement, Progress
from clsim.prepare import Prepared, prepare, prepare_given, resolve_device
from clsim.report.reporter import Reporter, RunInfo
from clsim.store import Results, RunDirectory, check_usable, manifest
from clsim.streams import Stream
from clsim.training import Strategy


def run(
    scenario: Scenario | Stream | str | Path,
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
    if isinstance(scenario, Stream):
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
    measured = Measured(ClassAccuracy(len(stream.class_names)), cross_tests(prepared, path))
    directory = RunDirectory(path)
    results = Results(prepared.name, prepared.strategy_name, prepared.seed, path, stands_in_for=prepared.stands_in_for)
    if prepared.scenario is not None:
        results.measures_forgetting = prepared.scenario.evaluation.forgetting
    measured.attach(strategy)
    if strategy.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(strategy.device)
    started, threads = time.perf_counter(), torch.get_num_threads()
    try:
        _write_manifest(directory, prepared)
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
    finally:
        directory.close()
        torch.set_num_threads(threads)  # a strategy may have chosen its own; the next one starts afresh
        if reporter is not None:
            reporter.run_ended(results.to_dict(), time.perf_counter() - started)
    return results


def _session(strategy: Strategy, stream: Stream, session: int, metrics: Measured, results: Results) -> dict[str, Any]:
    """Trains one session, measures all classes seen by then and adds the record to the results."""
    experience = stream.train_stream[session]
    start = device_time(strategy.device)
    strategy.train(experience, eval_streams=[])
    trained = device_time(strategy.device)
    strategy.eval(stream.test_stream[: session + 1])
    measured = device_time(strategy.device)
    counts, versions = metrics.accuracy.counts, metrics.versions
    matrix = [*results.accuracy_matrix, counts.accuracy_by_block(stream.class_blocks[: session + 1])]
    replacements = replacement_records(strategy)
    record = {
        "session": session,
        "new_classes": list(stream.class_blocks[session]),
        "seen_classes": len(experience.classes_seen_so_far),
        "replaced_by": replacements[-1]["model"] if replacements else None,
        "replacements": replacements,
        **accuracy_record(counts, stream.class_blocks[: session + 1]),
        "accuracy_by_session": matrix[-1],
        "forgetting": forgetting_record(matrix) if results.measures_forgetting else None,
        "compatibility": versions and versions.record(),
        "service": versions and versions.service_record(),
        "train_seconds": trained - start,
        "eval_seconds": measured - trained,
        "images_trained": strategy.images_trained,
        "diagnostics": strategy.model.diagnostics() if hasattr(strategy.model, "diagnostics") else {},
        "trainable_parameters": sum(p.numel() for p in strategy.model.parameters() if p.requires_grad),
        "peak_memory_bytes": peak_memory(strategy.device),
    }
    results.add(record, matrix[-1], int(counts.total.sum()))
    return record


@dataclass(frozen=True)
class Measured:
    """The metrics that fill the record of a session.

    Attributes:
        accuracy: over the test images of the stream.
        versions: what one version of the model makes of another's features, where that is asked for.

    """

    accuracy: ClassAccuracy
    versions: CrossTests | None

    def attach(self, strategy: Strategy) -> None:
        """Has the strategy's evaluations fill them."""
        present = strategy.evaluator.metrics
        present += [metric for metric in (self.accuracy, self.versions) if metric is not None and metric not in present]


def cross_tests(prepared: Prepared, path: Path) -> CrossTests | None:
    """The cross-tests that the scenario asks for; those that a strategy composed in Python brings; or none."""
    asked = prepared.scenario.evaluation if prepared.scenario else None
    if asked is None or asked.compatibility is None or prepared.compared is None:
        return next((m for m in prepared.strategy.evaluator.metrics if isinstance(m, CrossTests)), None)
    given, service = asked.compatibility, asked.service
    try:
        return CrossTests(
            *prepared.compared,
            criterion=given.criterion,
            also=given.also,
            truncate=given.truncate,
            strict=not given.ties,
            batch_size=asked.batch_size,
            folder=path / "features" if given.keep_features else None,
            service=None
            if service is None
            else ServiceView(
                len(prepared.stream),
                steps=service.steps,
                criterion=service.criterion,
                queries=service.queries,
                seed=prepared.seed,
                truncate=given.truncate,
            ),
        )
    except ValueError as error:
        raise UserError(str(error), where="evaluation.compatibility") from error


def replacement_records(strategy: Strategy) -> list[dict[str, Any]]:
    """The replacements of the session just trained, as they took place."""
    return [
        performed.record()
        for plugin in strategy.plugins
        if isinstance(plugin, ModelReplacement)
        for performed in plugin.performed
    ]


def accuracy_record(counts: ClassCounts, blocks: tuple[tuple[int, ...], ...]) -> dict[str, float | None]:
    """Accuracy over all seen classes, the base session's, the later ones', and the harmonic mean of the two."""
    base = counts.accuracy(blocks[0]) or 0.0
    novel = counts.accuracy([label for block in blocks[1:] for label in block])
    return {
        "accuracy": counts.accuracy() or 0.0,
        "base_accuracy": base,
        "novel_accuracy": novel,
        "harmonic_mean": None if novel is None else harmonic_mean(base, novel),
    }


def forgetting_record(matrix: list[list[float]]) -> dict[str, float | None] | None:
    """Both definitions of forgetting after the last row; ``None`` after the base session."""
    if len(matrix) < 2:
        return None
    return {"from_best": forgetting(matrix, "best"), "from_first": forgetting(matrix, "first")}


def peak_memory(device: torch.device) -> int:
    """Bytes: the run's own peak on CUDA; on the CPU the resident peak of the process so far."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


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


def _write_manifest(directory: RunDirectory, prepared: Prepared) -> None:
    dataset = prepared.stream.dataset
    hashes = {"train images": dataset.train.sha256, "test images": dataset.test.sha256}
    if prepared.compared is not None:
        hashes |= {"query images": prepared.compared[0].sha256, "gallery images": prepared.compared[1].sha256}
    hashes |= {f"replacement {arrival.model.name}": arrival.model.sha256 for arrival in prepared.stream.replacements}
    for module in prepared.strategy.model.modules():
        if isinstance(weights := getattr(module, "weights_sha256", None), str):
            hashes["pre-trained weights"] = weights
    if prepared.scenario is not None:
        hashes["strategy file"] = sha256_of(prepared.scenario.selected_strategy.path)
        directory.write_text("scenario.yaml", prepared.scenario.to_yaml())
    content = manifest(
        seed=prepared.seed,
        device=str(prepared.strategy.device),
        hashes=hashes,
        settings={
            "scenario": prepared.name,
            "strategy": prepared.strategy_name,
            "precision": prepared.strategy.precision,
            "threads": torch.get_num_threads(),
            "stands_in_for": prepared.stands_in_for,
        },
    )
    directory.write_json("manifest.json", content)


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
