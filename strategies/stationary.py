"""Stationary features: every class, also one to come, has its place before anything is learnt.

The classifier is a d-simplex with more vertices than classes (arXiv 2405.02581); its vertices never move, so
whatever is learnt for a class pulls its features to the same place in every session, and features stored in one
session can be compared with those of any other, even of a model that was trained elsewhere on the same simplex.
Local classes own the last vertices and models from elsewhere the first. Cross-entropy is taken over all vertices,
those of future classes included, throughout. How the past is kept depends on the stream.

Sessions with all their images, as published: the network goes on learning, each batch is half new and half
remembered, and the higher-order compatibility loss holds its features to those of the model that the session
started from, L = w L_CE + (1 - w) L_HOC. After a replacement that is the model that arrived. Session 0 has this loss
too, as in the authors' code, even if no model arrives and the starting weights are random (``first_teacher``).

Few-shot sessions, as in NC-FSCIL: the base session trains a backbone from scratch and freezes it; a few images then
tune the projection alone, along with features drawn around the stored mean of every class seen so far. The mean of
a new class, poorly known from five images, is first drawn towards the base classes that it resembles.
"""

from functools import partial
from typing import Annotated, Literal

import torch
from annotated_types import Ge, MinLen
from torch.nn import CrossEntropyLoss

from clsim import Strategy
from clsim.data.augment import Compose, HorizontalFlip, RandomCrop
from clsim.losses import cosine_distillation, higher_order_compatibility
from clsim.models import StationaryClassifier
from clsim.models.backbones import make_backbone
from clsim.models.cpu_parallel import CpuDataParallel
from clsim.plugins import (
    BaseSession,
    ClassScope,
    FeatureReplay,
    FeatureTeacher,
    FreezeAfterBase,
    ModelReplacement,
    OneCycle,
    ProgressiveResize,
    Rehearsal,
    WarmupCosine,
)
from clsim.streams import Stream
from clsim.training.weight_decay import decayed_sgd
from clsim.utils.arguments import Count, Fraction, NotNegative, Whole
from clsim.utils.errors import UserError

REQUIRES = ("replacement",)


def build(
    stream: Stream,
    *,
    backbone: str = "resnet14x4",
    vertices: Annotated[int, Ge(2)] = 1024,
    head: Literal["simplex", "learnable"] = "simplex",
    memory: Whole = 20,
    cross_entropy_weight: float = 0.1,
    mu: float = 10.0,
    same_class: Literal["counted", "excluded"] = "counted",
    first_teacher: Literal["start", "none"] = "start",
    distillation: float = 0.0,
    epochs: Whole = 70,
    batch_size: Count = 128,
    lr: NotNegative = 0.001,
    last_lr: NotNegative = 1e-5,
    base_epochs: Whole = 18,
    base_batch_size: Count = 128,
    base_lr: NotNegative = 0.1,
    sizes: Annotated[tuple[Count, ...], MinLen(1)] = (20, 24, 28, 32, 32),
    label_smoothing: Fraction = 0.1,
    few_shot_epochs: Whole = 60,
    few_shot_batch_size: Count = 25,
    few_shot_lr: NotNegative = 0.5,
    replay_weight: Fraction = 0.9,
    replay_per_class: Count = 8,
    own_share: Fraction = 0.6,
    sharpness: float = 16.0,
    crop_padding: Whole = 4,
    momentum: Fraction = 0.9,
    weight_decay: NotNegative = 5e-4,
    decayed: Literal["all", "matrices"] = "all",
    zero_init: bool = True,
    precision: Literal["fp32", "bf16", "fp16"] = "fp32",
    compile: Literal["auto", "on", "off"] = "auto",
    lanes: Count = 2,
    device: str = "cpu",
) -> Strategy:
    """Composes stationary learning on a d-simplex.

    Args:
        stream: gives the number of classes, and whether its later sessions are few-shot ones.
        backbone: a small residual network of clsim or a timm model, with random weights until another model arrives.
        vertices: of the simplex, at least as many as classes will ever come, here or elsewhere.
        head: which version of the arriving models: pre-trained with a simplex or with a learnable classifier.
        memory: remembered images of each class; this and what follows, up to last_lr, for sessions with all images.
        cross_entropy_weight: of the cross-entropy; the compatibility loss has the rest (1: it is left out).
        mu: sharpness of similarities in the compatibility loss.
        same_class: whether images of one class count in its denominator, as published, or are excluded.
        first_teacher: Teacher of session 0 if no model arrives before it: its random start, as published, or none.
        distillation: weight of the cosine distance to old features on remembered images (CL2R: 5), on top of the rest.
        epochs: passes over a session.
        batch_size: half of it remembered, as soon as there is something to remember.
        lr: of the first epoch of a session.
        last_lr: that the cosine falls to in the course of a session.
        base_epochs: passes over the base session of a few-shot stream; so with all that follows, up to sharpness.
        base_batch_size: of the base session.
        base_lr: top of the one cycle of the base session.
        sizes: side of the training images over equal parts of the base session.
        label_smoothing: of the cross-entropy of images.
        few_shot_epochs: passes over a few-shot session.
        few_shot_batch_size: of a few-shot session.
        few_shot_lr: top of the one cycle of a few-shot session.
        replay_weight: share of drawn features in the loss of a few-shot session.
        replay_per_class: features drawn for each class in every step.
        own_share: weight of a new class's own images in its mean; the rest comes from similar base classes.
        sharpness: of the similarity to base classes; the higher, the fewer of them count.
        crop_padding: pixels by which a random crop may be off.
        momentum: of SGD; after Nesterov in few-shot streams.
        weight_decay: of SGD.
        decayed: Parameters that decay: all, as in the authors' notebooks, or no gains and biases (their package).
        zero_init: Whether the last normalization of every block starts with gain 0; the authors start with 1.
        precision: of the forward pass.
        compile: compile the forward pass; auto: in long sessions on a GPU, and replay short ones if the model may be.
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
    # Convolutions on the CPU are faster when the channels of a pixel lie side by side.
    layout = torch.channels_last
    network = make_backbone(backbone, zero_init=zero_init)
    model = StationaryClassifier(CpuDataParallel(network, lanes), vertices).to(memory_format=layout)
    compose = partial(Strategy, model=model, device=device, precision=precision, compile=compile)
    sgd = partial(decayed_sgd, momentum=momentum, weight_decay=weight_decay, decayed=decayed)
    scope = ClassScope(training="all", evaluation="seen")
    if stream.few_shot:
        return compose(
            optimizer=partial(sgd, lr=base_lr, nesterov=True),
            criterion=CrossEntropyLoss(label_smoothing=label_smoothing),
            train_mb_size=few_shot_batch_size,
            train_epochs=few_shot_epochs,
            plugins=[
                BaseSession(epochs=base_epochs, train_mb_size=base_batch_size),
                scope,
                OneCycle(max_lr=base_lr, later_lr=few_shot_lr),
                ProgressiveResize(sizes),
                FreezeAfterBase(model.backbone),
                FeatureReplay(
                    model, weight=replay_weight, per_class=replay_per_class, own_weight=own_share, sharpness=sharpness
                ),
            ],
            augment=Compose(RandomCrop(crop_padding, mode="reflect"), HorizontalFlip()),
        )
    rehearsal = Rehearsal(memory)
    compatibility = FeatureTeacher(
        partial(higher_order_compatibility, mu=mu, same_class=same_class),
        weight=1 - cross_entropy_weight,
        own_weight=cross_entropy_weight,
        from_start=first_teacher == "start",
    )
    distilled = FeatureTeacher(cosine_distillation, weight=distillation, old_classes_only=True)
    return compose(
        optimizer=partial(sgd, lr=lr),
        train_mb_size=batch_size,
        train_epochs=epochs,
        plugins=[
            rehearsal,
            ModelReplacement(rehearsal, memory_format=layout),
            scope,
            WarmupCosine(max_lr=lr, min_lr=last_lr, warmup=0, cycle=epochs),
            *([compatibility] if cross_entropy_weight < 1 else []),
            *([distilled] if distillation else []),
        ],
        augment=Compose(RandomCrop(crop_padding), HorizontalFlip()),
    )
