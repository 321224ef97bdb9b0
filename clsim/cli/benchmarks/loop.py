"""Overhead of the training loop: bare PyTorch, clsim and stock Avalanche on the same work."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clsim.cli.benchmarks.machine import Machine, Work
from clsim.cli.benchmarks.result import BenchResult, Line
from clsim.cli.benchmarks.timing import interleaved
from clsim.data.core.images import DataSet, Images
from clsim.streams import Stream, incremental
from clsim.utils.device import device_time

if TYPE_CHECKING:
    from avalanche.training.templates import SupervisedTemplate

SESSIONS, CLASSES = 4, 40
IMAGES = 6400
"""Images per session: 200 batches."""
SIDE = 8
BATCH = 32
LR = 0.01


def bench_loop(machine: Machine, *, device: str = "cpu", rounds: int = 5) -> BenchResult:
    """Measure microseconds per training iteration with accuracy, loss and forgetting enabled.

    A linear model on batches of 32 images of 8 x 8 pixels exposes the overhead of the loop. Three loops train the same
    sessions from the same weights: plain PyTorch without metrics; :class:`~clsim.Strategy` with loss and accuracy of
    each epoch and accuracy over the test images, from which forgetting is computed; and Avalanche's ``Naive`` with its
    metrics of the same names by epoch, experience and stream. The first two read uint8 images from one tensor;
    Avalanche gets floats. All run on one thread: the work is too small for more.

    Figures: ``bare_us``, ``clsim_us``, ``avalanche_us``; their ratios ``clsim_bare`` and ``avalanche_clsim``; and
    ``clsim_evaluation_us``, ``avalanche_evaluation_us`` per test image, over all sessions so far.
    """
    stream, place = _stream(), torch.device(device)
    contenders: dict[str, Callable[[], _Timed]] = {
        "bare": partial(_bare, stream, place),
        "clsim": partial(_clsim, stream, place),
        "avalanche": partial(_avalanche, _avalanche_stream(stream), place),
    }
    taken: dict[str, list[_Timed]] = {name: [] for name in contenders}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        interleaved(
            {name: partial(_append, taken[name], contender) for name, contender in contenders.items()}, rounds=rounds
        )
    finally:
        torch.set_num_threads(threads)
    best = {
        name: _Timed(min(one.training for one in times[1:]), min(one.evaluation for one in times[1:]))
        for name, times in taken.items()  # the first run is the warm-up
    }
    iterations, tested = SESSIONS * IMAGES // BATCH, sum(_test_images(stream))
    microseconds = {name: 1e6 * timed.training / iterations for name, timed in best.items()}
    evaluation = {name: 1e6 * best[name].evaluation / tested for name in ("clsim", "avalanche")}
    weights = CLASSES * 3 * SIDE**2
    pixels = BATCH * 3 * SIDE**2
    # Two operations per weight and image forward, and two for the weights' gradient. Pixels are read as bytes, then
    # written and read as floats. Weights and their gradients are read and written.
    work = Work(flops=4 * BATCH * weights, bytes=9 * pixels + 20 * weights)
    least = 1e6 * machine.seconds(work)
    labels = {"bare": "bare PyTorch", "clsim": "clsim, metrics on", "avalanche": "stock Avalanche, metrics on"}
    return BenchResult(
        name="loop",
        title=f"one iteration: linear model, {BATCH} images of {SIDE} x {SIDE}, SGD, one thread",
        figures={
            **{f"{name}_us": value for name, value in microseconds.items()},
            "clsim_bare": microseconds["clsim"] / microseconds["bare"],
            "avalanche_clsim": microseconds["avalanche"] / microseconds["clsim"],
            **{f"{name}_evaluation_us": value for name, value in evaluation.items()},
            "limit_us": least,
        },
        lines=[
            *(Line(labels[name], value, "us", least) for name, value in microseconds.items()),
            Line("clsim over bare PyTorch", microseconds["clsim"] / microseconds["bare"], "times"),
            Line("Avalanche over clsim", microseconds["avalanche"] / microseconds["clsim"], "times"),
            *(Line(f"{labels[name]}: evaluation of an image", value, "us") for name, value in evaluation.items()),
        ],
    )


@dataclass
class _Timed:
    """Seconds of training and evaluation."""

    training: float = 0.0
    evaluation: float = 0.0


def _append(times: list[_Timed], contender: Callable[[], _Timed]) -> None:
    times.append(contender())


def _stream() -> Stream:
    draw = torch.Generator().manual_seed(0)
    names = tuple(f"class {label}" for label in range(CLASSES))

    def images(count: int) -> Images:
        pixels = torch.randint(256, (count, 3, SIDE, SIDE), generator=draw, dtype=torch.uint8)
        return Images(pixels, torch.arange(count) % CLASSES, names, "noise")

    dataset = DataSet("noise", images(SESSIONS * IMAGES), images(SESSIONS * IMAGES // 4))
    return incremental(dataset, base_classes=CLASSES // SESSIONS, ways=CLASSES // SESSIONS)


def _test_images(stream: Stream) -> list[int]:
    """Return the number of test images of all sessions so far, after each session."""
    sizes = [len(session.resident) for session in stream.test_stream]
    return [sum(sizes[: session + 1]) for session in range(len(sizes))]


def _model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE**2, CLASSES))


def _bare(stream: Stream, device: torch.device) -> _Timed:
    model = _model().to(device)
    order = torch.Generator().manual_seed(0)
    sessions = [
        (s.resident.images.pixels.to(device), s.resident.labels.to(device), s.resident.indices)
        for s in stream.train_stream
    ]
    started = device_time(device)
    for pixels, labels, indices in sessions:
        optimizer = torch.optim.SGD(model.parameters(), lr=LR)
        shuffle = torch.randperm(len(indices), generator=order)
        shuffled, answers = indices[shuffle].to(device), labels[shuffle.to(device)]
        for start in range(0, len(shuffled), BATCH):
            images = pixels[shuffled[start : start + BATCH]].to(torch.float32).div_(255)
            optimizer.zero_grad()
            F.cross_entropy(model(images), answers[start : start + BATCH]).backward()
            optimizer.step()
    return _Timed(device_time(device) - started)


def _clsim(stream: Stream, device: torch.device) -> _Timed:
    from clsim.metrics import forgetting
    from clsim.metrics.class_accuracy import ClassAccuracy
    from clsim.metrics.training_curve import TrainingCurve
    from clsim.training import Strategy

    curve, accuracy = TrainingCurve(), ClassAccuracy(CLASSES)
    strategy = Strategy(
        model=_model(),
        optimizer=partial(torch.optim.SGD, lr=LR),
        train_mb_size=BATCH,
        eval_mb_size=256,
        device=device,
        metrics=[curve, accuracy],
    )
    strategy.resident(
        stream.train_stream[0].resident
    )  # moves the images to the device before timing, as the bare loop does
    matrix: list[list[float | None]] = []

    def evaluated(session: int) -> None:
        matrix.append(accuracy.counts.accuracy_by_block(stream.class_blocks[: session + 1]))
        forgetting(matrix)

    return _through(stream, strategy, device, evaluated)


def _avalanche(stream: Any, device: torch.device) -> _Timed:
    from avalanche.evaluation.metrics import accuracy_metrics, forgetting_metrics, loss_metrics
    from avalanche.training.plugins import EvaluationPlugin
    from avalanche.training.supervised import Naive

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about missing loggers
        evaluator = EvaluationPlugin(
            *accuracy_metrics(epoch=True, experience=True, stream=True),
            *loss_metrics(epoch=True, experience=True, stream=True),
            *forgetting_metrics(experience=True, stream=True),
        )
    model = _model()
    strategy = Naive(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=LR),
        criterion=nn.CrossEntropyLoss(),
        train_mb_size=BATCH,
        eval_mb_size=256,
        device=device,
        evaluator=evaluator,
    )
    return _through(stream, strategy, device, lambda session: None)


def _through(
    stream: Any, strategy: SupervisedTemplate[Any, Any, Any], device: torch.device, evaluated: Callable[[int], None]
) -> _Timed:
    """Train and evaluate session by session."""
    timed = _Timed()
    for session, experience in enumerate(stream.train_stream):
        started = device_time(device)
        strategy.train(experience)
        trained = device_time(device)
        strategy.eval(stream.test_stream[: session + 1])
        evaluated(session)
        timed.training += trained - started
        timed.evaluation += device_time(device) - trained
    return timed


def _avalanche_stream(stream: Stream) -> Any:
    """Return the same sessions as an Avalanche benchmark of float tensors."""
    from avalanche.benchmarks import benchmark_from_datasets
    from avalanche.benchmarks.utils import as_classification_dataset
    from torch.utils.data import TensorDataset

    class Labeled(TensorDataset):
        """Data set with the ``targets`` that Avalanche reads."""

        def __init__(self, images: Tensor, labels: Tensor) -> None:
            super().__init__(images, labels)
            self.targets = labels.tolist()

    def datasets(sessions: Iterable[Any]) -> list[Any]:
        views = [session.resident for session in sessions]
        return [
            as_classification_dataset(Labeled(view.images.pixels[view.indices].float() / 255, view.labels))
            for view in views
        ]

    return benchmark_from_datasets(train=datasets(stream.train_stream), test=datasets(stream.test_stream))
