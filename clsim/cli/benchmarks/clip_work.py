"""Work of the CLIP benchmark: one session of CPE-CLIP by clsim, the published way, and the image tower alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from clsim.cli.benchmarks.published_clip import PublishedWay
from clsim.data.core.images import DataSet, Images
from clsim.data.datasets.shapes import kind_name
from clsim.models import PromptedCLIP
from clsim.models.towers import towers
from clsim.streams import Stream, fscil
from clsim.training import Strategy

NEW, BATCH = 5, 4
STEPS = 5
"""Training steps of a session: 20 images of the 5 new classes."""
TEST = 15
"""Batches of an evaluation."""


class ClipWork:
    """CPE-CLIP on a session of 5 new classes, and the work it is compared with.

    Args:
        backbone: open_clip model.
        seen: Number of classes seen, the new ones included.
        precision: Precision of the strategy.
        device: Device of the strategy.

    """

    def __init__(self, backbone: str, seen: int, precision: str, device: str) -> None:
        from clsim.config.discovery import find_strategy
        from clsim.config.user_code import load_strategy
        from clsim.metrics import ClassAccuracy, TrainingCurve

        self.seen, self.device = seen, torch.device(device)
        # On a GPU the session must be long enough to be replayed, like a real one. On a CPU one epoch suffices.
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
        """Train the session with clsim."""
        self.strategy.train(self.stream.train_stream[1], eval_streams=[])

    def evaluate(self) -> None:
        """Evaluate the session's test images with clsim."""
        self.strategy.eval(self.stream.test_stream[1:])

    def published_train(self) -> None:
        """Train the session in the published way."""
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
        """Evaluate as many test images in the published way."""
        for number in range(TEST):
            at = number % STEPS * BATCH
            self.published(self.images[at : at + BATCH]).argmax(dim=1)

    @torch.no_grad()
    def image_forward(self) -> None:
        """Pass as many images through the tower alone."""
        for number in range(TEST):
            _tower(self.model, self.inputs[number % STEPS * BATCH :][:BATCH], _prompts(self.model))

    def image_forward_backward(self) -> None:
        """Pass the session's images through the tower alone, and back to the prompts."""
        for inputs in self.inputs.split(BATCH):
            prompts = _prompts(self.model).requires_grad_()
            _tower(self.model, inputs, prompts).sum().backward()

    def forward_once(self) -> None:
        """Run one forward pass of clsim. It keeps the gradient: without one, some products are not counted."""
        self.model.encode_image(self.images[:BATCH])

    def forward_backward_once(self) -> None:
        """Run one forward and backward pass of clsim."""
        self.model.encode_image(self.images[:BATCH]).sum().backward()

    def differences(self) -> tuple[float, float]:
        """Return the largest differences between clsim and the published way.

        Returns:
            Difference of logits, and of the prompts' gradients relative to the largest gradient.
        """
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
    """Return image features of open_clip's own blocks, with each layer's prompts appended to its input."""
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
    """Return the prompts of the image tower, detached."""
    with torch.no_grad():
        projected: Tensor = model.prompt_projection(model.prompts)
    return projected.detach()


def _stream(seen: int) -> Stream:
    """Return a stream of noise images, 32 x 32 pixels, with 5 new classes in session 1."""
    draw = torch.Generator().manual_seed(0)
    names = tuple(map(kind_name, range(seen)))

    def images(each: int) -> Images:
        labels = torch.arange(seen).repeat_interleave(each)
        pixels = torch.randint(256, (len(labels), 3, 32, 32), generator=draw, dtype=torch.uint8)
        return Images(pixels, labels, names, "noise")

    shots = STEPS * BATCH // NEW
    dataset = DataSet("noise", images(shots), images(TEST * BATCH // NEW))
    return fscil(dataset, base_classes=seen - NEW, ways=NEW, shots=shots, splits={"draw": 0})
