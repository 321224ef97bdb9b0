"""The metrics of a run and the parts of a session's record that they fill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from avalanche.evaluation import PluginMetric

from clsim.config.discovery import find_metric
from clsim.config.evaluation import DEFAULT_PAIRS, PAIR_CRITERION, CompatibilityEvaluation, Evaluation
from clsim.config.user_code import load_metric
from clsim.experiment.build import Experiment
from clsim.metrics import forgetting, harmonic_mean
from clsim.metrics.calibration import Calibration
from clsim.metrics.class_accuracy import ClassAccuracy, ClassCounts
from clsim.metrics.confusion_record import confusion_record
from clsim.metrics.cross_test import CrossTests
from clsim.metrics.custom import custom_figures
from clsim.metrics.pair_tests import PairTests
from clsim.metrics.search_service import SearchService
from clsim.metrics.training_curve import TrainingCurve
from clsim.metrics.version_tests import VersionTests
from clsim.plugins import ModelReplacement
from clsim.streams import Stream, TextStream
from clsim.training import Strategy
from clsim.utils.errors import UserError
from clsim.utils.seeding import seeded


@dataclass(frozen=True)
class SessionAccuracy:
    """Accuracy after a session.

    Attributes:
        new_classes: Classes that no earlier session had.
        seen_classes: Number of classes seen so far.
        figures: Accuracy over all test images so far, and over parts of them, by field of the record.
        by_session: Accuracy over the test images of each session so far; ``None`` for a session without any.
        test_images: Number of test images behind ``figures``.

    """

    new_classes: list[int]
    seen_classes: int
    figures: dict[str, float | None]
    by_session: list[float | None]
    test_images: int


@dataclass(frozen=True)
class SessionEvaluator:
    """The metrics that fill the record of a session.

    Attributes:
        accuracy: Accuracy on the test images of the stream; ``None`` where nothing is classified.
        calibration: Calibration of the served probabilities; ``None`` where nothing is classified.
        curve: Loss and accuracy of every epoch; ``None`` where nothing is classified.
        versions: Comparison of model versions; ``None`` if the scenario does not ask for it.
        asked: Custom metrics of the scenario.

    """

    accuracy: ClassAccuracy | None
    calibration: Calibration | None
    curve: TrainingCurve | None
    versions: VersionTests | None
    asked: tuple[PluginMetric[Any], ...] = ()

    @classmethod
    def of(cls, prepared: Experiment, path: Path) -> SessionEvaluator:
        """Return the metrics that a scenario asks for, or those of a strategy composed in Python.

        Raises:
            UserError: A metric does not suit the images, or a metric's file does not return one.

        """
        stream, asked = prepared.stream, _asked(prepared)
        if stream.task == "image_text":
            measured = cls(None, None, None, _pair_tests(prepared, stream, path), asked)
        else:
            accuracy = ClassAccuracy(len(stream.class_names))
            measured = cls(accuracy, Calibration(), TrainingCurve(), _cross_tests(prepared, path), asked)
        if measured.versions is not None and prepared.scenario is not None:
            measured.versions.similarities = prepared.scenario.evaluation.similarities
        return measured

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the comparison of images that a reader of the figures must know."""
        return () if self.versions is None or self.versions.note is None else (self.versions.note,)

    def attach(self, strategy: Strategy) -> None:
        """Add the metrics to the strategy's evaluator."""
        present = strategy.evaluator.metrics
        present += [metric for metric in (*self._ours(), *self.asked) if metric not in present]

    def _ours(self) -> list[PluginMetric[Any]]:
        ours = (self.accuracy, self.calibration, self.curve, self.versions)
        return [metric for metric in ours if metric is not None]

    def custom_record(self, strategy: Strategy) -> dict[str, float | None]:
        """Return the figures of custom metrics, those of the scenario and of the strategy."""
        ours = self._ours()
        return custom_figures(metric for metric in strategy.evaluator.metrics if metric not in ours)

    def training_record(self) -> dict[str, list[float | None]] | None:
        """Return loss and accuracy of the session's epochs; a figure that is not finite is ``None``."""
        if self.curve is None:
            return None
        return {name: list(known(dict(enumerate(curve))).values()) for name, curve in self.curve.result().items()}

    def calibration_record(self) -> dict[str, float | None] | None:
        """Return the calibration of the session's evaluation; ``None`` where nothing is classified."""
        return None if self.calibration is None else self.calibration.result()

    def confusion_record(self, stream: Stream | TextStream, session: int) -> dict[str, Any] | None:
        """Return the content of ``confusion.json`` after a session; ``None`` where nothing is classified."""
        if self.accuracy is None or stream.task == "image_text":
            return None
        views = [test.resident for test in stream.test_stream[: session + 1]]
        return {
            "session": session,
            "classes": confusion_record(self.accuracy.labels, self.accuracy.predictions, stream.class_names, views),
        }

    def session_accuracy(self, stream: Stream | TextStream, session: int) -> SessionAccuracy:
        """Return the accuracy after a session; for image-text models, the self-test."""
        if stream.task == "image_text":
            assert self.versions is not None
            found = self.versions.matrix[-1][-1]
            figures = {"accuracy": found, "base_accuracy": found, "novel_accuracy": None, "harmonic_mean": None}
            # Every session has the same test images.
            return SessionAccuracy([], 0, figures, [found] * (session + 1), len(stream.dataset.test))
        assert self.accuracy is not None
        counts, blocks = self.accuracy.counts, stream.class_blocks[: session + 1]
        seen = stream.train_stream[session].classes_seen_so_far
        return SessionAccuracy(
            list(blocks[-1]),
            len(seen),
            accuracy_record(counts, blocks),
            counts.accuracy_by_block(blocks),
            int(counts.total.sum()),
        )


def known(figures: Mapping[Any, float]) -> dict[Any, float | None]:
    """Replace figures that are not finite by ``None``, so that a diverged model does not lose the others."""
    return {name: value if isfinite(value) else None for name, value in figures.items()}


def accuracy_record(counts: ClassCounts, blocks: tuple[tuple[int, ...], ...]) -> dict[str, float | None]:
    """Return accuracy on all seen classes, on base and novel classes, and the harmonic mean of the two.

    A figure without test images is ``None``.
    """
    base = counts.accuracy(blocks[0])
    novel = counts.accuracy([label for block in blocks[1:] for label in block])
    return {
        "accuracy": counts.accuracy(),
        "base_accuracy": base,
        "novel_accuracy": novel,
        "harmonic_mean": None if base is None or novel is None else harmonic_mean(base, novel),
    }


def forgetting_record(matrix: list[list[float | None]]) -> dict[str, float | None] | None:
    """Return both definitions of forgetting after the last row; ``None`` if there is no earlier session."""
    from_best, from_first = forgetting(matrix, "best"), forgetting(matrix, "first")
    return None if from_best is None else {"from_best": from_best, "from_first": from_first}


def replacement_records(strategy: Strategy, stream: Stream | TextStream, session: int) -> list[dict[str, Any]]:
    """Return the replacements of the model in the session just trained."""
    if stream.task == "image_text":
        return [{"model": stream.models[session].name, "after_iterations": 0, "seconds": 0.0}] if session else []
    return [
        performed.record()
        for plugin in strategy.plugins
        if isinstance(plugin, ModelReplacement)
        for performed in plugin.performed
    ]


def _asked(prepared: Experiment) -> tuple[PluginMetric[Any], ...]:
    """Return the custom metrics of the scenario."""
    names = prepared.scenario.evaluation.metrics if prepared.scenario else []
    return tuple(metric for name in names for metric in _made(find_metric(name), prepared))


def _made(path: Path, prepared: Experiment) -> list[PluginMetric[Any]]:
    build = load_metric(path)
    try:
        with seeded(prepared.seed):  # so that its random draws change nothing else
            made = build(prepared.stream)
    except Exception as error:
        raise UserError(f"build() fails: {type(error).__name__}: {error}", where=str(path)) from error
    metrics = list(made) if isinstance(made, list | tuple) else [made]
    for metric in metrics:
        if not isinstance(metric, PluginMetric):
            what = f"build() returns a value of type {type(metric).__name__}, which is not a metric"
            raise UserError(what, where=str(path), fix="return an avalanche.evaluation.PluginMetric, or a list of them")
    return metrics


def _cross_tests(prepared: Experiment, path: Path) -> VersionTests | None:
    asked = prepared.scenario.evaluation if prepared.scenario else None
    if asked is None or asked.compatibility is None or prepared.compared is None:
        return _brought(prepared)
    given = asked.compatibility
    try:
        return CrossTests(
            *prepared.compared,
            criterion=given.criterion,
            also=given.also,
            truncate=given.truncate,
            strict=not given.ties,
            batch_size=asked.batch_size,
            folder=path / "features" if given.keep_features else None,
            service=_service(prepared, asked, given),
        )
    except ValueError as error:
        raise UserError(str(error), where="evaluation.compatibility") from error


def _pair_tests(prepared: Experiment, stream: TextStream, path: Path) -> VersionTests:
    brought = _brought(prepared)
    if brought is not None:
        return brought
    asked = prepared.scenario.evaluation if prepared.scenario else Evaluation()
    given = asked.compatibility or DEFAULT_PAIRS
    k, *also = (int(PAIR_CRITERION.fullmatch(name)[1]) for name in (given.criterion, *given.also))  # type: ignore[index]
    return PairTests(
        stream.dataset.test,
        k=k,
        also=also,
        strict=not given.ties,
        batch_size=asked.batch_size,
        folder=path / "features" if given.keep_features else None,
        service=_service(prepared, asked, given),
    )


def _brought(prepared: Experiment) -> VersionTests | None:
    """Return the comparison of versions that a strategy composed in Python has."""
    return next((m for m in prepared.strategy.evaluator.metrics if isinstance(m, VersionTests)), None)


def _service(prepared: Experiment, asked: Evaluation, given: CompatibilityEvaluation) -> SearchService | None:
    service = asked.service
    if service is None:
        return None
    return SearchService(
        len(prepared.stream),
        steps=service.steps,
        criterion=service.criterion,
        queries=service.queries,
        seed=prepared.seed,
        truncate=given.truncate,
    )
