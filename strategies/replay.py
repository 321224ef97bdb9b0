"""Experience replay with a learnable classifier: the baseline "ER" of arXiv 2405.02581.

The whole network goes on learning in every session, from the new images and from twenty remembered ones of each
earlier class. Its classifier is learnt as well, so that nothing but the images themselves says where the features of
a class lie: a model that arrives from elsewhere has put them somewhere else, and with it the features stored so far
are lost for comparison. With ``distillation`` features of remembered images are held to those of the model before,
which ties the versions of one model together, not those of different models.
"""

from functools import partial
from typing import Literal

import torch

from clsim import Strategy
from clsim.data.augment import Compose, HorizontalFlip, RandomCrop
from clsim.losses import cosine_distillation
from clsim.models import LinearClassifier
from clsim.models.backbones import make_backbone
from clsim.models.cpu_parallel import CpuDataParallel
from clsim.plugins import ClassScope, FeatureTeacher, ModelReplacement, Rehearsal, WarmupCosine
from clsim.streams import Stream
from clsim.training.weight_decay import decayed_sgd
from clsim.utils.arguments import Count, Fraction, NotNegative, Whole

REQUIRES = ("replacement",)


def build(
    stream: Stream,
    *,
    backbone: str = "resnet8x4",
    head: Literal["learnable", "simplex"] = "learnable",
    memory: Whole = 20,
    distillation: float = 0.0,
    epochs: Whole = 70,
    batch_size: Count = 128,
    lr: NotNegative = 0.001,
    last_lr: NotNegative = 1e-5,
    momentum: Fraction = 0.9,
    weight_decay: NotNegative = 5e-4,
    decayed: Literal["all", "matrices"] = "all",
    zero_init: bool = True,
    crop_padding: Whole = 4,
    precision: Literal["fp32", "bf16", "fp16"] = "fp32",
    compile: Literal["auto", "on", "off"] = "auto",
    lanes: Count = 2,
    device: str = "cpu",
) -> Strategy:
    """Composes experience replay.

    Args:
        stream: gives the number of classes.
        backbone: of the model that is in service until another arrives, with random weights.
        head: which version of the arriving models: pre-trained with a learnable classifier or with a simplex.
        memory: remembered images of each class.
        distillation: weight of the cosine distance to the features of the model before, on remembered images (CL2R: 5).
        epochs: passes over a session.
        batch_size: half of it remembered, as soon as there is something to remember.
        lr: of the first epoch of a session.
        last_lr: that the cosine falls to in the course of a session.
        momentum: of SGD.
        weight_decay: of SGD.
        decayed: Parameters that decay: all, as in the authors' notebooks, or no gains and biases (their package).
        zero_init: Whether the last normalization of every block starts with gain 0; the authors start with 1.
        crop_padding: pixels by which a random crop may be off.
        precision: of the forward pass.
        compile: compile the forward pass; auto: in long sessions on a GPU, and replay short ones if the model may be.
        lanes: parts of a batch that go through the backbone side by side on a CPU, each on one core.
        device: where it runs.

    """
    network = make_backbone(backbone, zero_init=zero_init)
    model = LinearClassifier(CpuDataParallel(network, lanes), len(stream.class_names), bias=False)
    rehearsal = Rehearsal(memory)
    teacher = FeatureTeacher(cosine_distillation, weight=distillation, old_classes_only=True)
    return Strategy(
        model=model.to(memory_format=torch.channels_last),  # type: ignore[call-overload]
        optimizer=partial(decayed_sgd, lr=lr, momentum=momentum, weight_decay=weight_decay, decayed=decayed),
        train_mb_size=batch_size,
        train_epochs=epochs,
        device=device,
        plugins=[
            rehearsal,
            ModelReplacement(rehearsal, memory_format=torch.channels_last),
            ClassScope(training="seen", evaluation="seen"),
            WarmupCosine(max_lr=lr, min_lr=last_lr, warmup=0, cycle=epochs),
            *([teacher] if distillation else []),
        ],
        augment=Compose(RandomCrop(crop_padding), HorizontalFlip()),
        precision=precision,
        compile=compile,
    )
