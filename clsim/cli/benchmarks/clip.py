"""Cost of a training step and an evaluation of CPE-CLIP, compared with its lower bound and the published way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from torch.utils.flop_counter import FlopCounterMode

from clsim.cli.benchmarks import clip_work
from clsim.cli.benchmarks.clip_work import BATCH, NEW, ClipWork
from clsim.cli.benchmarks.machine import Machine, Work
from clsim.cli.benchmarks.result import BenchResult, Line
from clsim.cli.benchmarks.timing import elapsed, interleaved

HEADLINE = 100
"""Number of classes seen in the main figures."""


def bench_clip(
    machine: Machine,
    *,
    device: str = "cpu",
    rounds: int = 2,
    backbone: str = "ViT-B-16",
    seen: Sequence[int] = (65, 100, 200),
) -> BenchResult:
    """Measure the time of a training step and of an evaluated batch of CPE-CLIP, with random weights and batch size 4.

    The strategy ``cpe_clip`` trains a session of 5 new classes and evaluates its test images through
    :class:`~clsim.Strategy`, including data, optimizer, metrics and the resize from 32 pixels. It is compared with the
    published way (:class:`~.published_clip.PublishedWay`) on images that are already batched, and with the image tower
    alone: open_clip's own blocks on the same tokens, forward, and backward to the prompts. These blocks are slower
    than necessary, especially on a CPU (:mod:`clsim.models.attention`), so a whole step of clsim may take less time.
    Limits count only the matrix products that clsim computes for the images.

    Figures at 100 classes seen: ``image_forward_s``, ``image_forward_backward_s``, ``train_step_s``,
    ``published_step_s``, ``evaluation_s`` and ``published_evaluation_s`` (per batch), ``bf16_train_step_s``,
    ``bf16_evaluation_s``; ``logits_differ`` and ``gradients_differ``, the largest differences between both ways,
    gradients relative to the largest; ``by_classes``, step and published step by number of classes seen. Ratios:
    ``train_step_image`` and ``evaluation_image``, clsim over the image tower alone; ``published_train_step``, the
    published way over clsim; ``published_bf16_train_step`` and ``published_bf16_evaluation``, the published way in
    float32 over clsim in bfloat16. If the machine emulates bfloat16, which takes minutes per step, its figures are
    omitted.
    """
    works = {count: ClipWork(backbone, count, "fp32", device) for count in dict.fromkeys([HEADLINE, *seen])}
    bf16 = ClipWork(backbone, HEADLINE, "bf16", device) if "bf16" in machine.flops else None
    seconds = _measure(works[HEADLINE], bf16, rounds=rounds, device=device)
    by_classes = _by_classes(works, seconds, device)
    logits, gradients = works[HEADLINE].differences()
    limits = _Limits.of(works[HEADLINE], machine)
    ratios = _ratios(seconds)
    return BenchResult(
        name="clip",
        title=f"CPE-CLIP, {backbone}, random weights, batch {BATCH}, {NEW} new of {HEADLINE} classes",
        figures={
            **{f"{name}_s": value for name, value in seconds.items()},
            **ratios,
            "logits_differ": logits,
            "gradients_differ": gradients,
            "by_classes": by_classes,
        },
        lines=[*_lines(seconds, ratios, by_classes, limits), *_bf16_lines(seconds, ratios, limits)],
    )


class _Limits(NamedTuple):
    """Lower bounds of the seconds per batch on this machine; those in bfloat16 are ``None`` if it is emulated."""

    forward: float
    step: float
    bf16_forward: float | None = None
    bf16_step: float | None = None

    @classmethod
    def of(cls, work: ClipWork, machine: Machine) -> _Limits:
        forward, step = (Work(_flops(one)) for one in (work.forward_once, work.forward_backward_once))
        fp32 = machine.seconds(forward), machine.seconds(step)
        if "bf16" not in machine.flops:
            return cls(*fp32)
        return cls(*fp32, machine.seconds(forward, "bf16"), machine.seconds(step, "bf16"))


def _measure(work: ClipWork, bf16: ClipWork | None, *, rounds: int, device: str) -> dict[str, float]:
    """Return the seconds per training step and per evaluated batch of every implementation."""
    steps = interleaved(
        {
            "image_forward_backward": work.image_forward_backward,
            "train_step": work.train,
            "published_step": work.published_train,
            **({"bf16_train_step": bf16.train} if bf16 else {}),
        },
        rounds=rounds,
        device=device,
    )
    batches = interleaved(
        {
            "image_forward": work.image_forward,
            "evaluation": work.evaluate,
            "published_evaluation": work.published_evaluate,
            **({"bf16_evaluation": bf16.evaluate} if bf16 else {}),
        },
        rounds=rounds,
        device=device,
    )
    seconds = {name: value / work.steps[name] for name, value in steps.items()}
    return seconds | {name: value / clip_work.TEST for name, value in batches.items()}


def _by_classes(
    works: Mapping[int, ClipWork], seconds: Mapping[str, float], device: str
) -> dict[str, dict[str, float]]:
    """Return the seconds of a step and of a published step by number of classes seen."""
    found = {str(HEADLINE): {"train_step_s": seconds["train_step"], "published_step_s": seconds["published_step"]}}
    for count, work in works.items():
        if count != HEADLINE:
            # One call each suffices: the code is warm.
            found[str(count)] = {
                "train_step_s": elapsed(work.train, device) / work.steps["train_step"],
                "published_step_s": elapsed(work.published_train, device) / clip_work.STEPS,
            }
    return found


def _ratios(seconds: Mapping[str, float]) -> dict[str, float]:
    """Return the ratios; those of bfloat16 only if it was measured."""
    ratios = {
        "train_step_image": seconds["train_step"] / seconds["image_forward_backward"],
        "published_train_step": seconds["published_step"] / seconds["train_step"],
        "evaluation_image": seconds["evaluation"] / seconds["image_forward"],
    }
    if "bf16_train_step" in seconds:
        ratios["published_bf16_train_step"] = seconds["published_step"] / seconds["bf16_train_step"]
        ratios["published_bf16_evaluation"] = seconds["published_evaluation"] / seconds["bf16_evaluation"]
    return ratios


def _lines(
    seconds: Mapping[str, float],
    ratios: Mapping[str, float],
    by_classes: Mapping[str, Mapping[str, float]],
    limits: _Limits,
) -> Iterator[Line]:
    """Yield the lines of the table in float32."""
    yield Line("training step over images forward and backward", ratios["train_step_image"], "times")
    yield Line("published way over training step", ratios["published_train_step"], "times")
    yield Line("evaluation over images forward", ratios["evaluation_image"], "times")
    alone = seconds["image_forward_backward"]
    yield Line("images forward and backward, open_clip's blocks", alone, "s", limits.step)
    yield Line("training step", seconds["train_step"], "s", limits.step)
    yield Line("training step, published way", seconds["published_step"], "s", limits.step)
    for count, figures in by_classes.items():
        if count != str(HEADLINE):
            yield Line(f"training step, {count} classes", figures["train_step_s"], "s", limits.step)
            yield Line(f"training step, {count} classes, published way", figures["published_step_s"], "s", limits.step)
    yield Line("images forward, open_clip's blocks", seconds["image_forward"], "s", limits.forward)
    yield Line("evaluation of a batch", seconds["evaluation"], "s", limits.forward)
    yield Line("evaluation, published way", seconds["published_evaluation"], "s", limits.forward)


def _bf16_lines(seconds: Mapping[str, float], ratios: Mapping[str, float], limits: _Limits) -> Iterator[Line]:
    """Yield the lines of the table in bfloat16, if it was measured."""
    if "bf16_train_step" not in seconds:
        return
    yield Line("published way over training step in bf16", ratios["published_bf16_train_step"], "times")
    yield Line("published way over evaluation in bf16", ratios["published_bf16_evaluation"], "times")
    yield Line("training step, bf16", seconds["bf16_train_step"], "s", limits.bf16_step)
    yield Line("evaluation, bf16", seconds["bf16_evaluation"], "s", limits.bf16_forward)


def _flops(function: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        function()
    return int(counter.get_total_flops())
