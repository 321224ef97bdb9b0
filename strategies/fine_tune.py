"""Fine-tuning: each session trains the whole network on its own images alone, with no defence against forgetting.

The floor of a table: whatever a method of continual learning is worth, it must be worth more than this.
"""

from functools import partial
from typing import Literal

from torch.optim import SGD

from clsim import Strategy
from clsim.models import ClipImageTower, LinearClassifier, load_clip
from clsim.models.backbones import make_backbone
from clsim.plugins import BaseSession, ClassScope
from clsim.streams import Stream
from clsim.utils.arguments import Count, Fraction, NotNegative, Whole


def build(
    stream: Stream,
    *,
    backbone: str = "resnet20",
    pretrained: str | None = None,
    quick_gelu: bool | None = None,
    epochs: Whole = 5,
    base_epochs: Whole = 5,
    batch_size: Count = 25,
    base_batch_size: Count = 128,
    lr: NotNegative = 0.01,
    momentum: Fraction = 0.9,
    weight_decay: NotNegative = 5e-4,
    precision: Literal["fp32", "bf16", "fp16"] = "fp32",
    compile: Literal["auto", "on", "off"] = "auto",
    device: str = "cpu",
) -> Strategy:
    """Composes plain fine-tuning of a backbone with a linear classifier.

    Args:
        stream: gives the number of classes.
        backbone: a timm model trained from scratch, or, with pretrained, the image tower of an open_clip model.
        pretrained: an open_clip tag, the path of a CLIP checkpoint, an entry of the scenario's models, or null.
        quick_gelu: the activation of weights in a file: QuickGELU, GELU, or null, as the file tells.
        epochs: passes over a few-shot session.
        base_epochs: passes over the base session.
        batch_size: of a few-shot session.
        base_batch_size: of the base session.
        lr: learning rate, constant.
        momentum: of SGD.
        weight_decay: of SGD.
        precision: of the forward pass.
        compile: compile the forward pass; auto: in long sessions on a GPU, and replay short ones if the model may be.
        device: where it runs.

    """
    if pretrained is None:
        features = make_backbone(backbone)
    else:
        features = ClipImageTower(load_clip(backbone, pretrained, device=device, quick_gelu=quick_gelu))
    return Strategy(
        model=LinearClassifier(features, len(stream.class_names)),
        optimizer=partial(SGD, lr=lr, momentum=momentum, weight_decay=weight_decay),
        train_mb_size=batch_size,
        train_epochs=epochs,
        device=device,
        plugins=[
            BaseSession(epochs=base_epochs, train_mb_size=base_batch_size),
            ClassScope(training="seen", evaluation="seen"),
        ],
        precision=precision,
        compile=compile,
    )
