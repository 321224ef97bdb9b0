"""Cost of a compatibility matrix as models arrive: passes over images, and time."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from clsim.cli.benchmarks.machine import Machine, Work
from clsim.cli.benchmarks.result import BenchResult, Line
from clsim.cli.benchmarks.timing import interleaved
from clsim.data.core.images import Images
from clsim.metrics import CrossTests
from clsim.models.backbones import make_backbone

MODELS = (3, 6, 12)
CLASSES, IMAGES, SIDE = 100, 1000, 32
BACKBONE = "resnet8x2"


def bench_matrix(machine: Machine, *, device: str = "cpu", rounds: int = 2) -> BenchResult:
    """Measure seconds of the compatibility matrix of T models over 1,000 query and 1,000 gallery images.

    Each model makes one pass over queries and one over the gallery: 2T passes, where passes for each pair would take
    T (T + 1). Features are compared by the published protocol.

    Figures: ``passes`` and ``seconds`` by number of models; ``twelve_six``, the ratio of the times for 12 and 6.
    """
    torch.manual_seed(0)
    images = [_images(seed) for seed in (1, 2)]
    models = [_Embedding().eval().to(device) for _ in range(max(MODELS))]
    passes: dict[str, int] = {}

    def matrix(count: int) -> None:
        tests = CrossTests(*images)
        for model in models[:count]:
            strategy = SimpleNamespace(model=model, device=torch.device(device))
            record, _ = tests.measure(strategy)
            assert len(record["cross_tests"]) == len(tests.matrix) - 1
        passes[str(count)] = tests.passes

    taken = interleaved(
        {str(count): (lambda count=count: matrix(count)) for count in MODELS},  # type: ignore[misc]
        rounds=rounds,
        device=device,
    )
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        models[0].embed(images[0].pixels[:8].to(device).float() / 255)
    flops = counter.get_total_flops() / 8 * IMAGES
    return BenchResult(
        name="matrix",
        title=f"compatibility matrix, {BACKBONE}, {IMAGES} query and {IMAGES} gallery images",
        figures={"passes": passes, "seconds": taken, "twelve_six": taken["12"] / taken["6"]},
        lines=[
            Line(f"{count} models, {passes[count]} passes", value, "s", machine.seconds(Work(flops * passes[count])))
            for count, value in taken.items()
        ]
        + [Line("12 models over 6", taken["12"] / taken["6"], "times")],
    )


class _Embedding(nn.Module):
    """Backbone with the ``embed`` that cross-tests call."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = make_backbone(BACKBONE)

    def embed(self, images: Tensor) -> Tensor:
        """Return features ``(B, D)``."""
        features: Tensor = self.backbone(images)
        return features


def _images(seed: int) -> Images:
    draw = torch.Generator().manual_seed(seed)
    pixels = torch.randint(256, (IMAGES, 3, SIDE, SIDE), generator=draw, dtype=torch.uint8)
    names = tuple(f"class {label}" for label in range(CLASSES))
    return Images(pixels, torch.arange(IMAGES) % CLASSES, names, f"noise {seed}")
