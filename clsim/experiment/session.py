"""One session of an open run: its evaluation and its record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clsim.experiment.build import Experiment
from clsim.experiment.evaluation import SessionEvaluator, forgetting_record, known, replacement_records
from clsim.experiment.events import Listener, Note
from clsim.models.protocols import HasDiagnostics
from clsim.results.record import SessionRecord
from clsim.results.results import Results
from clsim.results.run_directory import RunDirectory
from clsim.utils.device import device_time, peak_memory


@dataclass(frozen=True)
class OpenRun:
    """An open run: its parts, and the run directory that it holds the lock of.

    Attributes:
        experiment: Stream and strategy.
        evaluator: Metrics that fill the record of a session.
        directory: Run directory.
        results: Figures so far.
        listener: Listener for the events of the run.
        reports_progress: Whether the listener receives the progress of training.

    """

    experiment: Experiment
    evaluator: SessionEvaluator
    directory: RunDirectory
    results: Results
    listener: Listener
    reports_progress: bool

    def note(self, text: str) -> None:
        """Send a message for the user."""
        self.listener.on_event(Note(text))


def no_results(experiment: Experiment, path: Path) -> Results:
    """Return the results of a run without sessions."""
    name, strategy, seed = experiment.name, experiment.strategy_name, experiment.seed
    results = Results(name, strategy, seed, path, stands_in_for=experiment.stands_in_for)
    results.validation = experiment.validation
    if experiment.scenario is not None:
        results.measures_forgetting = experiment.scenario.evaluation.forgetting
    results.measures_forgetting = results.measures_forgetting and experiment.stream.measures_forgetting
    return results


def evaluate_session(run: OpenRun, session: int, train_seconds: float) -> SessionRecord:
    """Evaluate the model after a session and add the record to the results.

    Args:
        run: Open run whose strategy has just learned the session.
        session: Number of the session.
        train_seconds: Device time of its training.

    """
    strategy, stream, evaluator = run.experiment.strategy, run.experiment.stream, run.evaluator
    start = device_time(strategy.device)
    strategy.eval(stream.test_stream[: session + 1])
    eval_seconds = device_time(strategy.device) - start
    accuracy = evaluator.session_accuracy(stream, session)
    matrix = [*run.results.accuracy_matrix, accuracy.by_session]
    replaced = replacement_records(strategy, stream, session)
    versions = evaluator.versions
    record = SessionRecord(
        session=session,
        new_classes=accuracy.new_classes,
        seen_classes=accuracy.seen_classes,
        replaced_by=replaced[-1]["model"] if replaced else None,
        replacements=replaced,
        accuracy=accuracy.figures["accuracy"],
        base_accuracy=accuracy.figures["base_accuracy"],
        novel_accuracy=accuracy.figures["novel_accuracy"],
        harmonic_mean=accuracy.figures["harmonic_mean"],
        accuracy_by_session=accuracy.by_session,
        forgetting=forgetting_record(matrix) if run.results.measures_forgetting else None,
        compatibility=versions and versions.record(),
        service=versions and versions.service_record(),
        metrics=evaluator.custom_record(strategy),
        training=evaluator.training_record(),
        train_seconds=train_seconds,
        eval_seconds=eval_seconds,
        images_trained=strategy.images_trained,
        iterations=strategy.clock.train_exp_iterations,
        train_flops=strategy.train_flops.total,
        eval_flops=strategy.eval_flops.total,
        diagnostics=known(strategy.model.diagnostics()) if isinstance(strategy.model, HasDiagnostics) else {},
        trainable_parameters=sum(p.numel() for p in strategy.model.parameters() if p.requires_grad),
        peak_memory_bytes=peak_memory(strategy.device),
        calibration=evaluator.calibration_record(),
    )
    run.results.add(record, accuracy.test_images)
    return record
