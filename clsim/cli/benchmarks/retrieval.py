"""Cost of retrieval metrics: mean average precision, CMC, recall, and search in a large gallery."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from clsim.cli.benchmarks.machine import Machine, Work
from clsim.cli.benchmarks.result import BenchResult, Line
from clsim.cli.benchmarks.timing import elapsed, fastest, interleaved
from clsim.metrics import cmc, mean_average_precision, nearest, recall_at_k
from clsim.metrics.functional.search import Engine
from clsim.metrics.functional.similarity import unit_rows
from clsim.utils.device import peak_memory

WIDTH, CLASSES = 128, 100
SIZES = (1000, 2000, 5000)
SEARCH = (10_000, 1_000_000, 100)
_SEARCHED = "the nearest 100 of a million for 10,000"


def bench_retrieval(machine: Machine, *, device: str = "cpu", rounds: int = 3) -> BenchResult:
    """Measure seconds of metrics on features of width 128 and 100 classes, and of search in a million items.

    Figures: ``map_s``, ``cmc_s`` and ``recall_s`` of 5,000 queries against 5,000 items; ``sklearn_map_s``, mAP by a
    loop over queries with scikit-learn's ``average_precision_score``, and ``sklearn_map``, the ratio; ``map_differs``,
    the difference between the two values; ``by_size``, seconds of mAP by number of queries and items;
    ``torch_search_s``, the nearest 100 of 1,000,000 items for 10,000 queries; ``faiss_search_s``, the same by FAISS if
    installed; and ``search_peak_bytes``, the peak memory of the process after the torch search.
    """
    features = {size: _features(size, device) for size in SIZES}
    size = SIZES[-1]
    query, labels, gallery, gallery_labels = features[size]
    value: dict[str, float] = {}

    def keep(name: str, function: Callable[..., float]) -> Callable[[], None]:
        def call() -> None:
            value[name] = function(query, labels, gallery, gallery_labels)

        return call

    by_size = {
        str(count): fastest(lambda given=given: mean_average_precision(*given), rounds=rounds, device=device)  # type: ignore[misc]
        for count, given in features.items()
    }
    positives = labels[:, None] == gallery_labels
    quick = interleaved(
        {
            "cmc": lambda: cmc(query, labels, gallery, gallery_labels),
            "recall": lambda: recall_at_k(query, gallery, positives),
        },
        rounds=rounds,
        device=device,
    )
    slow = interleaved(
        {"map": keep("map", mean_average_precision), "sklearn": keep("sklearn", _loop)}, rounds=1, device=device
    )
    least = _limit(machine, size)
    searched, peak, search_work = _search(device)
    return BenchResult(
        name="retrieval",
        title=f"features of {WIDTH} numbers, {CLASSES} classes",
        figures={
            "map_s": by_size[str(size)],
            **{f"{name}_s": seconds for name, seconds in quick.items()},
            "sklearn_map_s": slow["sklearn"],
            "sklearn_map": slow["sklearn"] / slow["map"],
            "map_differs": abs(value["map"] - value["sklearn"]),
            "by_size": by_size,
            **{f"{engine}_search_s": seconds for engine, seconds in searched.items()},
            "search_peak_bytes": peak,
        },
        lines=[
            *(
                Line(f"mAP, {count} against {count}", seconds, "s", _limit(machine, int(count)))
                for count, seconds in by_size.items()
            ),
            Line(f"mAP, {size} against {size}, scikit-learn", slow["sklearn"], "s", least),
            Line("scikit-learn over clsim", slow["sklearn"] / slow["map"], "times"),
            Line(f"CMC@1 and 5, {size} against {size}", quick["cmc"], "s", least),
            Line(f"R@1, 5 and 10, {size} against {size}", quick["recall"], "s", least),
            *(
                Line(f"{_SEARCHED}, {engine}", seconds, "s", machine.seconds(search_work))
                for engine, seconds in searched.items()
            ),
            Line(f"{_SEARCHED}, peak memory", peak / 2**20, "MiB"),
        ],
    )


def _limit(machine: Machine, size: int) -> float:
    """Return the least seconds of a similarity matrix: its products, and one write of it."""
    return machine.seconds(Work(2.0 * size * size * WIDTH, 4.0 * size * size))


def _features(size: int, device: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return features and labels of overlapping classes for queries and gallery."""
    draw = torch.Generator().manual_seed(0)
    centers = torch.randn(CLASSES, WIDTH, generator=draw)
    parts: list[Tensor] = []
    for _ in range(2):
        labels = torch.randint(CLASSES, (size,), generator=draw)
        parts += [centers[labels] + 2 * torch.randn(size, WIDTH, generator=draw), labels]
    query, labels, gallery, gallery_labels = (part.to(device) for part in parts)
    return query, labels, gallery, gallery_labels


def _loop(query: Tensor, labels: Tensor, gallery: Tensor, gallery_labels: Tensor) -> float:
    """Return mAP query by query, as common evaluation code computes it."""
    from sklearn.metrics import average_precision_score

    items, total = unit_rows(gallery), 0.0
    for feature, label in zip(unit_rows(query), labels, strict=True):
        total += average_precision_score((gallery_labels == label).cpu().numpy(), (items @ feature).cpu().numpy())
    return float(total / len(query))


def _search(device: str) -> tuple[dict[str, float], int, Work]:
    """Run the large search once by each installed engine, on float16 features as an index stores them.

    Returns:
        Seconds by engine, peak memory of the process after torch's search in bytes, and the least work.
    """
    queries, items, k = SEARCH
    draw = torch.Generator().manual_seed(0)
    gallery = torch.empty(items, WIDTH, dtype=torch.float16)
    for part in gallery.split(1 << 16):
        part.copy_(torch.randn(part.shape, generator=draw))
    place: Any = torch.device(device)
    gallery, query = gallery.to(place), torch.randn(queries, WIDTH, generator=draw).to(place)
    engines: list[Engine] = ["torch"]
    if place.type == "cpu" and find_spec("faiss") is not None:
        engines.append("faiss")
    taken, peak = dict[str, float](), 0
    for engine in engines:
        nearest(query[:256], gallery[:65536], k, engine=engine)  # warm-up, since only one call is timed
        taken[engine] = elapsed(partial(nearest, query, gallery, k, engine=engine), device)
        peak = peak or peak_memory(place)
    return taken, peak, Work(2.0 * queries * items * WIDTH, 2.0 * items * WIDTH)
