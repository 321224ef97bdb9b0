"""Cost of an audit: time and memory by the number of items."""

from __future__ import annotations

from math import log
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import torch

import clsim
from clsim.cli.benchmarks.machine import Machine, Work
from clsim.cli.benchmarks.result import BenchResult, Line
from clsim.utils.device import peak_memory

SIZES = (100_000, 1_000_000)
WIDTH, QUERIES, INNER, CLASSES = 512, 10_000, 64, 5000
CHUNK = 50_000


def bench_audit(machine: Machine, *, device: str = "cpu") -> BenchResult:
    """Measure seconds of an audit of vectors of width 512 with 10,000 queries and default bridges.

    The vectors are synthetic and memory-mapped. Figures: ``by_size``, seconds by number of items; ``growth``, the
    exponent of the growth of time with items, 1 for linear; ``stages``, seconds of each stage of the largest audit;
    and ``peak_bytes``, the peak memory of the process, mapped pages included. The limit is that of the products of two
    exact searches.
    """
    seconds, stages = dict[str, float](), dict[str, float]()
    with TemporaryDirectory() as folder:
        for size in SIZES:
            place = Path(folder)
            _write(place, size)
            start = perf_counter()
            found = clsim.audit(
                place / "old.npy", place / "new.npy", queries=(place / "query_old.npy", place / "query_new.npy")
            )
            seconds[str(size)] = perf_counter() - start
            stages = dict(found.seconds)
    smallest, largest = SIZES[0], SIZES[-1]
    growth = log(seconds[str(largest)] / seconds[str(smallest)]) / log(largest / smallest)
    peak = peak_memory(torch.device(device))
    return BenchResult(
        name="audit",
        title=f"vectors of {WIDTH} numbers, {QUERIES:,} queries, default bridges",
        figures={"by_size": seconds, "growth": growth, "stages": stages, "peak_bytes": peak},
        lines=[
            *(
                Line(f"audit of {int(size):,} items", taken, "s", machine.seconds(_searches(int(size))))
                for size, taken in seconds.items()
            ),
            *(Line(f"of these: {stage}", taken, "s") for stage, taken in stages.items()),
            Line("exponent of growth", growth, ""),
            Line("peak memory", peak / 2**20, "MiB"),
        ],
    )


def _searches(items: int) -> Work:
    """Return the least work: the products of two exact searches, and one reading of both galleries."""
    return Work(2 * 2.0 * QUERIES * items * WIDTH, 2 * 4.0 * items * WIDTH)


def _write(folder: Path, items: int) -> None:
    """Write vectors of two models that see the same inner features through noise of different strength."""
    random = np.random.default_rng(0)
    centers = random.normal(size=(CLASSES, INNER)).astype(np.float32)
    views = random.normal(size=(2, INNER, WIDTH)).astype(np.float32)
    for name, count in (("", items), ("query_", QUERIES)):
        files = [
            np.lib.format.open_memmap(folder / f"{name}{model}.npy", "w+", np.float32, (count, WIDTH))
            for model in ("old", "new")
        ]
        for start in range(0, count, CHUNK):
            rows = min(CHUNK, count - start)
            inner = centers[random.integers(0, CLASSES, rows)]
            inner = inner + 0.8 * random.standard_normal((rows, INNER), dtype=np.float32)
            for file, view, noise in zip(files, views, (6.0, 2.0), strict=True):
                file[start : start + rows] = inner @ view + noise * random.standard_normal((rows, WIDTH), np.float32)
