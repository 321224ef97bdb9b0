"""Backward-compatible training (BCT, arXiv 2003.11942): a fixed classifier in the old space guides the new model.

A new model of the same width learns all classes with a classifier of its own. A second classifier with fixed rows sorts
the same features, L = L_CE + lambda L_influence. There are two forms of its rows:

- prototypes: the mean of the old model's features for every class, also for those that it learnt; lambda is 10. This is
  the BCT of BT2's and OCA's authors, and of the figures that they publish under this name.
- classifier: the rows of the old model's classifier, and for classes that it never learnt the mean of its features,
  scaled to the length of those rows; lambda is 1. This is the BCT of its own paper.
"""

from functools import partial
from typing import Literal

import torch

from clsim import Strategy
from clsim.data.augment import Compose, HorizontalFlip, RandomCrop
from clsim.losses import prototype_cross_entropy, smoothed_cross_entropy
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
    form: Literal["prototypes", "classifier"] = "prototypes",
    influence: float | None = None,
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
    """Composes backward-compatible training.

    Args:
        stream: gives the number of classes.
        backbone: of every model, with random weights.
        neck: Source of the features. block: the last residual block emits them, with batch normalization and no ReLU,
            as published; linear: a matrix behind the pooled output of the whole network.
        image_size: side that images are resized to; null: as they come.
        interpolation: Kernel of that resize.
        zero_init: Whether the last normalization of every block starts with gain 0; OCA's authors start with 1. The
            block that emits the features starts with 1 in either case.
        dimensions: of the features.
        form: Rows of the influence loss. prototypes: class means by the old model, unscaled, for all classes, as BT2's
            authors publish it; classifier: the old classifier, and scaled means for new classes, as in BCT's paper.
        influence: Weight of the influence loss; null: 10 with prototypes, 1 with the classifier.
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
        width = dimensions if old is None else old.dimensions
        model = make_embedding_classifier(
            backbone,
            width,
            len(stream.class_names),
            neck=neck,
            image_size=image_size,
            interpolation=interpolation,
            zero_init=zero_init,
            cpu_workers=lanes,
        )
        return model.to(memory_format=layout)

    upgrade = ModelUpgrade(fresh)
    weight = {"prototypes": 10.0, "classifier": 1.0}[form] if influence is None else influence
    influenced = partial(prototype_cross_entropy, label_smoothing=label_smoothing)
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
            OldPrototypes(upgrade, [(weight, influenced)], old_classifier=form == "classifier"),
            WarmupCosine(max_lr=lr, min_lr=0.0, warmup=warmup, cycle=epochs, rises_at_once=True),
        ],
        augment=Compose(RandomCrop(crop_padding), HorizontalFlip()),
        precision=precision,
        compile=compile,
    )
