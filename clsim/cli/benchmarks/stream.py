"""Cost of a session in a long stream: time, memory and disk."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from psutil import Process

from clsim.cli.benchmarks.machine import Machine
from clsim.cli.benchmarks.result import BenchResult, Line
from clsim.data.core.images import DataSet, Images
from clsim.experiment.events import Event, SessionEnded
from clsim.models import LinearClassifier
from clsim.models.backbones import make_backbone
from clsim.plugins import ClassScope
from clsim.streams import Stream, fscil
from clsim.training import Strategy

SESSIONS = 200
SHOWN = (5, 10, 20, 50, 100, 200)
WAYS, SHOTS, TEST, SIDE = 5, 5, 2, 16


def bench_stream(machine: Machine, *, device: str = "cpu", sessions: int = SESSIONS) -> BenchResult:
    """Measure seconds, memory and disk of the sessions of a long stream, run by :func:`clsim.run`.

    200 sessions of 5 new classes with 5 training images and 2 test images per class, 5 epochs in batches of 4, a small
    residual network with a head over all 1,005 classes. Training is the same work in each session. Evaluation grows,
    since it covers all test images so far. Times of session ``n`` are the median of the five sessions up to it.

    Figures by session: ``train_s``; ``evaluation_us`` per test image; ``peak_bytes``, the largest memory of the
    process at the end of a session so far; ``disk_bytes`` added to the run directory by the session. ``train_growth``
    and ``memory_growth``: the last session over session 5.
    """
    with TemporaryDirectory() as folder:
        records, growth = _run(Path(folder) / "run", device, sessions)
    shown = [number for number in SHOWN if number <= sessions]
    train = {str(number): _around(records, number, "train_seconds") for number in shown}
    images = {number: TEST * WAYS * (number + 1) for number in shown}
    evaluation = {str(number): 1e6 * _around(records, number, "eval_seconds") / images[number] for number in shown}
    peak = {str(number): max(growth.memory[: number + 1]) for number in shown}
    disk = [after - before for before, after in zip([0, *growth.disk], growth.disk, strict=False)]
    first, last = str(shown[0]), str(shown[-1])
    return BenchResult(
        name="stream",
        title=f"a stream of {sessions} sessions, {WAYS} new classes with {SHOTS} images each",
        figures={
            "train_s": train,
            "evaluation_us": evaluation,
            "peak_bytes": peak,
            "disk_bytes": {str(number): disk[number] for number in shown},
            "train_growth": train[last] / train[first],
            "memory_growth": peak[last] / peak[first],
        },
        lines=[
            *(Line(f"training, session {number}", value, "s") for number, value in train.items()),
            *(Line(f"evaluation of an image, session {number}", value, "us") for number, value in evaluation.items()),
            Line(f"training, session {last} over {first}", train[last] / train[first], "times"),
            *(Line(f"peak memory, session {number}", value / 2**20, "MiB") for number, value in peak.items()),
        ],
    )


def _around(records: list[dict[str, Any]], session: int, figure: str) -> float:
    """Return the median over the five sessions up to this one."""
    return float(median(record[figure] for record in records[max(1, session - 4) : session + 1]))


class _Growth:
    """A listener that measures the memory of the process and the size of the run directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.disk: list[int] = []
        self.memory: list[int] = []

    def on_event(self, event: Event) -> None:
        """Measure disk and memory after a session."""
        if not isinstance(event, SessionEnded):
            return
        self.disk.append(sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file()))
        self.memory.append(Process().memory_info().rss)


def _run(folder: Path, device: str, sessions: int) -> tuple[list[dict[str, Any]], _Growth]:
    from clsim.api import run

    stream, growth = _stream(sessions), _Growth(folder)
    torch.manual_seed(0)
    strategy = Strategy(
        model=LinearClassifier(make_backbone("resnet8x2"), len(stream.class_names)),
        optimizer=partial(torch.optim.SGD, lr=0.01, momentum=0.9),
        train_mb_size=4,
        train_epochs=5,
        device=device,
        plugins=[ClassScope(training="seen")],
    )
    results = run(stream, strategy, out=folder, device=device, listeners=[growth])
    return results.to_dict()["sessions"], growth


def _stream(sessions: int) -> Stream:
    draw = torch.Generator().manual_seed(0)
    classes = WAYS * (sessions + 1)
    names = tuple(f"class {label}" for label in range(classes))

    def images(each: int) -> Images:
        labels = torch.arange(classes).repeat_interleave(each)
        pixels = torch.randint(256, (len(labels), 3, SIDE, SIDE), generator=draw, dtype=torch.uint8)
        return Images(pixels, labels, names, "noise")

    return fscil(
        DataSet("noise", images(SHOTS), images(TEST)),
        base_classes=WAYS,
        ways=WAYS,
        shots=SHOTS,
        splits={"draw": 0},
    )
