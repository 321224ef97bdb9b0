"""Stationary features: every class, also one to come, has its place before anything is learnt.

The classifier is a d-simplex with more vertices than classes (arXiv 2405.02581); its vertices never move, so
whatever is learnt for a class pulls its features to the same place in every session, and features stored in one
session can be compared with those of any other. Learning goes in two steps. The base session trains a backbone
from scratch, and a linear projection into the space of the simplex. Afterwards the backbone is frozen, as in
NC-FSCIL, and a few-shot session tunes the projection alone: on its few images, and on features drawn around the
stored mean of every class seen so far. The mean of a new class, poorly known from five images, is first drawn
towards the base classes that it resembles. Cross-entropy is taken over all vertices, those of future classes
included, throughout.
"""

from functools import partial
from typing import Literal

import torch
from torch.nn import CrossEntropyLoss
from torch.optim import SGD

from clsim import Strategy
from clsim.data.augment import Compose, HorizontalFlip, RandomCrop
from clsim.errors import UserError
from clsim.models import StationaryClassifier
from clsim.models.backbones import make_backbone
from clsim.models.lanes import Lanes
from clsim.plugins import (
    BaseSession,
    ClassScope,
    FeatureReplay,
    FreezeAfterBase,
    OneCycle,
    ProgressiveResize,
)
from clsim.streams import Stream


def build(
    stream: Stream,
    *,
    backbone: str = "resnet14x4",
    vertices: int = 128,
    base_epochs: int = 18,
    base_batch_size: int = 128,
    base_lr: float = 0.1,
    sizes: tuple[int, ...] = (20, 24, 28, 32, 32),
    crop_padding: int = 4,
    label_smoothing: float = 0.1,
    epochs: int = 60,
    batch_size: int = 25,
    lr: float = 0.5,
    replay_weight: float = 0.9,
    replay_per_class: int = 8,
    own_share: float = 0.6,
    sharpness: float = 16.0,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    precision: Literal["fp32", "bf16"] = "fp32",
    lanes: int = 2,
    device: str = "cpu",
) -> Strategy:
    """Composes stationary learning on a d-simplex.

    Args:
        stream: gives the number of classes.
        backbone: a small residual network of clsim or a timm model, trained from scratch in the base session.
        vertices: of the simplex, at least as many as classes will ever come.
        base_epochs: passes over the base session.
        base_batch_size: of the base session.
        base_lr: top of the one cycle of the base session.
        sizes: side of the training images over equal parts of the base session.
        crop_padding: pixels by which a random crop may be off.
        label_smoothing: of the cross-entropy of images.
        epochs: passes over a few-shot session.
        batch_size: of a few-shot session.
        lr: top of the one cycle of a few-shot session.
        replay_weight: share of drawn features in the loss of a few-shot session.
        replay_per_class: features drawn for each class in every step.
        own_share: weight of a new class's own images in its mean; the rest comes from similar base classes.
        sharpness: of the similarity to base classes; the higher, the fewer of them count.
        momentum: of SGD, after Nesterov.
        weight_decay: of SGD, in the base session and afterwards.
        precision: of the forward pass.
        lanes: parts of a batch that go through the backbone side by side on a CPU, each on one core.
        device: where it runs.

    Raises:
        UserError: more classes than vertices.

    """
    if vertices < len(stream.class_names):
        raise UserError(
            f"a simplex of {vertices} vertices has no room for {len(stream.class_names)} classes",
            fix="set `vertices` to the classes that will ever come, or more",
        )
    model = StationaryClassifier(make_backbone(backbone), vertices)
    model.backbone = Lanes(model.backbone, lanes)
    return Strategy(
        # Convolutions on the CPU are faster when the channels of a pixel lie side by side.
        model=model.to(memory_format=torch.channels_last),  # type: ignore[call-overload]
        optimizer=partial(SGD, lr=base_lr, momentum=momentum, weight_decay=weight_decay, nesterov=True),
        criterion=CrossEntropyLoss(label_smoothing=label_smoothing),
        train_mb_size=batch_size,
        train_epochs=epochs,
        device=device,
        plugins=[
            BaseSession(epochs=base_epochs, train_mb_size=base_batch_size),
            ClassScope(training="all", evaluation="seen"),
            OneCycle(max_lr=base_lr, later_lr=lr),
            ProgressiveResize(sizes),
            FreezeAfterBase(model.backbone),
            FeatureReplay(
                model,
                weight=replay_weight,
                per_class=replay_per_class,
                own=own_share,
                sharpness=sharpness,
            ),
        ],
        augment=Compose(RandomCrop(crop_padding, mode="reflect"), HorizontalFlip()),
        precision=precision,
    )
