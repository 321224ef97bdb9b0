"""Orthogonal compatible alignment (OCA, arXiv 2408.08793): room for what is new, beside what must stay comparable.

A new model has a few more dimensions than the old one. Its first ones are held to the old space, by a cross-entropy
over the old model's class means and by the cosine to the mean of the own class; the rest is free for what the old
model could not tell apart. In training an orthogonal layer turns all of them before they are classified, so that the
classifier need not use the dimensions as they are cut; what is stored and searched comes before that layer.

L = 5 L_CE(W (Q h + b)) + 10 L_CE(P z) + 5 (1 - cos(P_y, z)), z the first dimensions of h.
"""

from functools import partial
from typing import Literal

import torch

from clsim import Strategy
from clsim.data.augment import Compose, HorizontalFlip, RandomCrop
from clsim.losses import prototype_alignment, prototype_cross_entropy, smoothed_cross_entropy
from clsim.models import EmbeddingClassifier, make_embedding_classifier
from clsim.plugins import ClassScope, ModelUpgrade, OldPrototypes, WarmupCosine
from clsim.streams import Stream
from clsim.utils.arguments import Count, Fraction, NotNegative, Whole

STREAMS = ("upgrade",)
REQUIRES = ("upgrade",)


def build(
    stream: Stream,
    *,
    backbone: str = "resnet50",
    neck: Literal["block", "linear"] = "block",
    image_size: int | None = None,
    interpolation: Literal["bilinear", "bicubic"] = "bilinear",
    zero_init: bool = True,
    dimensions: int = 128,
    added: int = 32,
    classification: float = 5.0,
    prototype: float = 10.0,
    alignment: float = 5.0,
    epochs: Whole = 100,
    warmup: Whole = 5,
    batch_size: Count = 64,
    lr: NotNegative = 0.001,
    weight_decay: NotNegative = 3.0517578125e-5,
    label_smoothing: Fraction = 0.1,
    crop_padding: Whole = 0,
    precision: Literal["fp32", "bf16", "fp16"] = "fp32",
    compile: Literal["auto", "on", "off"] = "auto",
    lanes: Count = 2,
    device: str = "cpu",
) -> Strategy:
    """Composes orthogonal compatible alignment; the weights are those of the authors' code.

    Args:
        stream: gives the number of classes.
        backbone: of every model, with random weights.
        neck: Source of the features. block: the last residual block emits them, with batch normalization and no ReLU,
            as published; linear: a matrix behind the pooled output of the whole network.
        image_size: side that images are resized to; null: as they come.
        interpolation: Kernel of that resize.
        zero_init: Whether the last normalization of every block starts with gain 0; OCA's authors start with 1. The
            block that emits the features starts with 1 in either case.
        dimensions: of the first model's features.
        added: dimensions that every upgrade brings.
        classification: weight of the cross-entropy over the own classifier.
        prototype: of the cross-entropy over the old model's class means.
        alignment: of the cosine distance to the old mean of the own class.
        epochs: passes over a session.
        warmup: of these, how many the learning rate rises.
        batch_size: of every session.
        lr: top of the learning rate of Adam, which falls to 0 along a cosine.
        weight_decay: of Adam.
        label_smoothing: of the cross-entropy.
        crop_padding: pixels by which a random crop may be off.
        precision: of the forward pass.
        compile: compile the forward pass; auto: in long sessions on a GPU, and replay short ones if the model may be.
        lanes: parts of a batch that go through the backbone side by side on a CPU, each on one core.
        device: where it runs.

    """
    # Convolutions on the CPU are faster when the channels of a pixel lie side by side.
    layout = torch.channels_last

    def fresh(old: EmbeddingClassifier | None) -> EmbeddingClassifier:
        width = dimensions if old is None else old.dimensions + added
        model = make_embedding_classifier(
            backbone,
            width,
            len(stream.class_names),
            neck=neck,
            turned=old is not None,
            image_size=image_size,
            interpolation=interpolation,
            zero_init=zero_init,
            cpu_workers=lanes,
        )
        return model.to(memory_format=layout)

    upgrade = ModelUpgrade(fresh)
    sorted_as_before = partial(prototype_cross_entropy, label_smoothing=label_smoothing)
    held = OldPrototypes(
        upgrade, [(prototype, sorted_as_before), (alignment, prototype_alignment)], own_weight=classification
    )
    return Strategy(
        model=fresh(None),
        optimizer=partial(torch.optim.Adam, lr=lr, weight_decay=weight_decay),
        criterion=partial(smoothed_cross_entropy, label_smoothing=label_smoothing),
        train_mb_size=batch_size,
        train_epochs=epochs,
        device=device,
        plugins=[
            upgrade,
            ClassScope(training="seen", evaluation="seen"),
            held,
            WarmupCosine(max_lr=lr, min_lr=0.0, warmup=warmup, cycle=epochs, rises_at_once=True),
        ],
        augment=Compose(RandomCrop(crop_padding), HorizontalFlip()),
        precision=precision,
        compile=compile,
    )
