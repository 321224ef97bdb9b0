"""What a step and an evaluation of CPE-CLIP cost, beside the least they could and beside the published way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from clsim.cli.benchmarks.machine import Machine, Work
from clsim.cli.benchmarks.published_clip import PublishedWay
from clsim.cli.benchmarks.result import BenchResult, Line
from clsim.cli.benchmarks.timing import elapsed, interleaved
from clsim.data.core.images import DataSet, Images
from clsim.data.datasets.shapes import kind_name
from clsim.models import PromptedCLIP
from clsim.models.towers import towers
from clsim.streams import Stream, fscil
from clsim.training import Strategy

NEW, BATCH = 5, 4
STEPS = 5  # of a session: 20 images of the 5 new classes
TEST = 15  # batches of an evaluation


def bench_clip(
    machine: Machine,
    *,
    device: str = "cpu",
    rounds: int = 2,
    backbone: str = "ViT-B-16",
    seen: Sequence[int] = (65, 100, 200),
) -> BenchResult:
    """Seconds of a training step and of an evaluated batch of CPE-CLIP, ViT-B/16 with random weights, batch 4.

    A session of 5 new classes is trained and its test images are evaluated by the strategy ``cpe_clip`` through
    :class:`~clsim.Strategy`: data, optimiser, metrics and the resize from 32 pixels are in it. Beside it the
    published way (:class:`~.published_clip.PublishedWay`) on images that are batched already, and the images
    alone: open_clip's own blocks on the same tokens, forwards, and backwards to the prompts. These blocks are slower
    than they need be, on a CPU above all (:mod:`clsim.models.attention`), so that a whole step may take less. Limits
    are those of the products that clsim computes for the images.

    Figures, at 100 classes seen: ``image_forward_s``, ``image_forward_backward_s``, ``train_step_s``,
    ``published_step_s``, ``evaluation_s``, ``published_evaluation_s`` (a batch), ``bf16_train_step_s``,
    ``bf16_evaluation_s``; ``logits_differ`` and ``gradients_differ``, the greatest differences between both ways, of
    the gradients relative to the largest; ``by_classes``: step and published step by number of classes seen. Ratios:
    ``train_step_image``, a step over its images forwards and backwards; ``evaluation_image``, the same of an
    evaluation; ``published_train_step``, the published way over ours; ``published_bf16_train_step`` and
    ``published_bf16_evaluation``, the published way in float32 over ours in bfloat16. Where the machine emulates
    bfloat16, which takes minutes a step, its figures and ratios are left out.
    """
    headline = 100
    cases = {count: _Case(backbone, count, "fp32", device) for count in dict.fromkeys([headline, *seen])}
    case = cases[headline]
    quick = _Case(backbone, headline, "bf16", device) if "bf16" in machine.flops else None
    steps = interleaved(
        {
            "image_forward_backward": case.image_forward_backward,
            "train_step": case.train,
            "published_step": case.published_train,
            **({"bf16_train_step": quick.train} if quick else {}),
        },
        rounds=rounds,
        device=device,
    )
    batches = interleaved(
        {
            "image_forward": case.image_forward,
            "evaluation": case.evaluate,
            "published_evaluation": case.published_evaluate,
            **({"bf16_evaluation": quick.evaluate} if quick else {}),
        },
        rounds=rounds,
        device=device,
    )
    taken = {name: value / case.steps[name] for name, value in steps.items()}
    taken |= {name: value / TEST for name, value in batches.items()}
    by_classes = {str(headline): {"train_step_s": taken["train_step"], "published_step_s": taken["published_step"]}}
    for count, other in cases.items():
        if count != headline:
            # One call each: the code is warm already.
            both = {
                "train_step_s": elapsed(other.train, device) / other.steps["train_step"],
                "published_step_s": elapsed(other.published_train, device) / STEPS,
            }
            by_classes[str(count)] = both
    logits, gradients = case.differences()
    work = [Work(_flops(function)) for function in (case.forward_once, case.forward_backward_once)]
    forward, both_ways = (machine.seconds(one) for one in work)
    ratios = {
        "train_step_image": taken["train_step"] / taken["image_forward_backward"],
        "published_train_step": taken["published_step"] / taken["train_step"],
        "evaluation_image": taken["evaluation"] / taken["image_forward"],
    }
    quick_ratios, quick_lines = _in_bf16(taken, work, machine) if quick else ({}, [])
    ratios |= quick_ratios
    return BenchResult(
        name="clip",
        title=f"CPE-CLIP, {backbone}, random weights, batch {BATCH}, {NEW} new of {headline} classes",
        figures={
            **{f"{name}_s": value for name, value in taken.items()},
            **ratios,
            "logits_differ": logits,
            "gradients_differ": gradients,
            "by_classes": by_classes,
        },
        lines=[
            Line("training step over images forwards and backwards", ratios["train_step_image"], "times"),
            Line("published way over training step", ratios["published_train_step"], "times"),
            Line("evaluation over images forwards", ratios["evaluation_image"], "times"),
            Line("images forwards and backwards, open_clip's blocks", taken["image_forward_backward"], "s", both_ways),
            Line("training step", taken["train_step"], "s", both_ways),
            Line("training step, published way", taken["published_step"], "s", both_ways),
            *(
                Line(f"training step, {count} classes{way}", by_classes[str(count)][key], "s", both_ways)
                for count in cases
                if count != headline
                for way, key in (("", "train_step_s"), (", published way", "published_step_s"))
            ),
            Line("images forwards, open_clip's blocks", taken["image_forward"], "s", forward),
            Line("evaluation of a batch", taken["evaluation"], "s", forward),
            Line("evaluation, published way", taken["published_evaluation"], "s", forward),
            *quick_lines,
        ],
    )


def _in_bf16(taken: dict[str, float], work: Sequence[Work], machine: Machine) -> tuple[dict[str, float], list[Line]]:
    """Return the ratios and lines of a step and an evaluation in bfloat16."""
    forward, both_ways = (machine.seconds(one, "bf16") for one in work)
    ratios = {
        "published_bf16_train_step": taken["published_step"] / taken["bf16_train_step"],
        "published_bf16_evaluation": taken["published_evaluation"] / taken["bf16_evaluation"],
    }
    return ratios, [
        Line("published way over training step in bf16", ratios["published_bf16_train_step"], "times"),
        Line("published way over evaluation in bf16", ratios["published_bf16_evaluation"], "times"),
        Line("training step, bf16", taken["bf16_train_step"], "s", both_ways),
        Line("evaluation, bf16", taken["bf16_evaluation"], "s", forward),
    ]


class _Case:
    """One number of classes: the strategy on its stream, and what it is compared with."""

    def __init__(self, backbone: str, seen: int, precision: str, device: str) -> None:
        from clsim.config.discovery import find_strategy
        from clsim.config.user_code import load_strategy
        from clsim.metrics.class_accuracy import ClassAccuracy
        from clsim.metrics.training_curve import TrainingCurve

        self.seen, self.device = seen, torch.device(device)
        # A GPU replays a session that is long enough, as a real one is; a CPU needs no more than one epoch.
        epochs = 5 if self.device.type == "cuda" else 1
        self.steps = dict.fromkeys(("image_forward_backward", "published_step"), STEPS)
        self.steps |= dict.fromkeys(("train_step", "bf16_train_step"), STEPS * epochs)
        self.stream = _stream(seen)
        build = load_strategy(find_strategy("cpe_clip"))
        torch.manual_seed(0)
        self.strategy: Strategy = build(
            self.stream, backbone=backbone, pretrained=None, epochs=epochs, precision=precision, device=device
        )
        self.strategy.eval_mb_size = BATCH
        self.strategy.evaluator.metrics += [TrainingCurve(), ClassAccuracy(seen)]
        self.model: PromptedCLIP = self.strategy.model
        self.published = PublishedWay(self.model, seen)
        session = self.stream.train_stream[1].resident
        self.images = session.images.pixels[session.indices].to(self.device).float() / 255
        self.labels = session.labels.to(self.device)
        with torch.no_grad():
            self.inputs = self.model.preprocess(self.images)

    def train(self) -> None:
        """The session by clsim."""
        self.strategy.train(self.stream.train_stream[1], eval_streams=[])

    def evaluate(self) -> None:
        """Its test images by clsim."""
        self.strategy.eval(self.stream.test_stream[1:])

    def published_train(self) -> None:
        """The session in the published way."""
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.SGD(trained, lr=0.001, momentum=0.9, weight_decay=1e-5)
        for images, labels in zip(self.images.split(BATCH), self.labels.split(BATCH), strict=True):
            optimizer.zero_grad()
            self.published.loss(images, labels, NEW).backward()
            for parameter in trained:
                assert parameter.grad is not None
                parameter.grad *= NEW / self.seen
            optimizer.step()

    @torch.no_grad()
    def published_evaluate(self) -> None:
        """As many test images in the published way."""
        for number in range(TEST):
            at = number % STEPS * BATCH
            self.published(self.images[at : at + BATCH]).argmax(dim=1)

    @torch.no_grad()
    def image_forward(self) -> None:
        """As many images through the tower alone."""
        for number in range(TEST):
            _tower(self.model, self.inputs[number % STEPS * BATCH :][:BATCH], _prompts(self.model))

    def image_forward_backward(self) -> None:
        """The session's images through the tower alone, and back to the prompts."""
        for inputs in self.inputs.split(BATCH):
            prompts = _prompts(self.model).requires_grad_()
            _tower(self.model, inputs, prompts).sum().backward()

    def forward_once(self) -> None:
        """One batch as clsim computes it; with a gradient, because of what has none not every product is counted."""
        self.model.encode_image(self.images[:BATCH])

    def forward_backward_once(self) -> None:
        """One batch, and back."""
        self.model.encode_image(self.images[:BATCH]).sum().backward()

    def differences(self) -> tuple[float, float]:
        """Greatest difference of logits, and of the prompts' gradients as a share of the largest, between both ways."""
        images, labels = self.images[:BATCH], self.labels[:BATCH]
        new = torch.arange(self.seen - NEW, self.seen, device=self.device)
        model = self.model
        model.train()
        model.score_only(new)
        loss = F.cross_entropy(model(images), labels)
        ours = torch.autograd.grad(loss, model.prompts)[0]
        theirs = torch.autograd.grad(self.published.loss(images, labels, NEW), model.prompts)[0]
        model.eval()
        model.score_only(None)
        with torch.no_grad():
            difference = (model(images) - self.published(images)).abs().max()
        return float(difference), float((ours - theirs).abs().max() / theirs.abs().max())


def _tower(model: PromptedCLIP, inputs: Tensor, prompts: Tensor) -> Tensor:
    """open_clip's own image blocks on normalised images, with a layer's prompts behind what there is before each."""
    vision: Any = towers(model.clip)[1]
    patches = vision.conv1(inputs).flatten(2).transpose(1, 2)
    first = vision.class_embedding.expand(len(inputs), 1, -1)
    state = torch.cat([first, patches], dim=1) + vision.positional_embedding
    state = vision.ln_pre(torch.cat([state, prompts[0].expand(len(inputs), -1, -1)], dim=1))
    for layer, block in enumerate(vision.transformer.resblocks):
        if layer:
            state = torch.cat([state, prompts[layer].expand(len(inputs), -1, -1)], dim=1)
        state = block(state)
    result: Tensor = vision.ln_post(state[:, 0]) @ vision.proj
    return result


def _prompts(model: PromptedCLIP) -> Tensor:
    """What the image tower reads, as a leaf."""
    with torch.no_grad():
        projected: Tensor = model.prompt_projection(model.prompts)
    return projected.detach()


def _flops(function: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        function()
    return int(counter.get_total_flops())


def _stream(seen: int) -> Stream:
    """Noise of 32 x 32 pixels under names of two or three words, 5 classes of which are new in session 1."""
    draw = torch.Generator().manual_seed(0)
    names = tuple(map(kind_name, range(seen)))

    def images(each: int) -> Images:
        labels = torch.arange(seen).repeat_interleave(each)
        pixels = torch.randint(256, (len(labels), 3, 32, 32), generator=draw, dtype=torch.uint8)
        return Images(pixels, labels, names, "noise")

    shots = STEPS * BATCH // NEW
    dataset = DataSet("noise", images(shots), images(TEST * BATCH // NEW))
    return fscil(dataset, base_classes=seen - NEW, ways=NEW, shots=shots, splits={"draw": 0})
