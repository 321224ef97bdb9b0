"""CPE-CLIP: continual parameter-efficient CLIP for few-shot class-incremental learning (arXiv 2303.04751).

CLIP stays frozen. Only a few prompt tokens in every layer of both towers are trained, and one linear map from the
prompts of the text tower to those of the image tower: about 400,000 parameters. Three things limit forgetting: the
loss compares only the classes of the current session, gradients shrink by the share of new classes among all seen, and
all other weights are fixed. Defaults are the published settings; no image is stored, augmented or replayed.
"""

from functools import partial
from typing import Literal

from torch.optim import SGD

from clsim import Strategy
from clsim.models import PromptedCLIP, load_clip
from clsim.plugins import BaseSession, ClassScope, NewClassGradientScale, WarmupCosine
from clsim.streams import Stream
from clsim.training.options import Compile, Precision
from clsim.utils.arguments import Count, Fraction, NotNegative, Whole


def build(
    stream: Stream,
    *,
    backbone: str = "ViT-B-16",
    pretrained: str | None = "openai",
    quick_gelu: bool | None = None,
    prompts: Count = 2,
    depth: Count = 12,
    text_mode: Literal["replace", "accumulate", "accumulate_same"] = "replace",
    vision_mode: Literal["replace", "accumulate", "accumulate_same"] = "accumulate",
    template: str = "[].",
    epochs: Whole = 5,
    base_epochs: Whole | None = None,
    batch_size: Count = 4,
    base_batch_size: Count = 32,
    max_lr: NotNegative = 0.1,
    min_lr: NotNegative = 0.001,
    warmup: Whole = 50,
    cycle: Count = 200,
    momentum: Fraction = 0.9,
    weight_decay: NotNegative = 1e-5,
    regularize: bool = True,
    schedule: Literal["per_epoch", "per_step"] = "per_epoch",
    precision: Precision = "fp32",
    compile: Compile = "auto",
    device: str = "cpu",
) -> Strategy:
    """Compose CPE-CLIP.

    Args:
        stream: Stream of sessions, whose class names become texts.
        backbone: Name of an open_clip model whose image tower is a ViT.
        pretrained: Tag of open_clip, path of a checkpoint or entry of the scenario's models; null: random weights.
        quick_gelu: Activation of weights from a file: true for QuickGELU, false for GELU; null: read from the file.
        prompts: Number of prompt tokens in a layer.
        depth: Number of layers with prompts, counted from the first; at most the number of layers of a tower.
        text_mode: Prompts that enter a deeper layer of the text tower. replace: its own, in place of the outputs of the
            previous ones; accumulate: those outputs and its own; accumulate_same: untransformed, of all layers so far.
        vision_mode: Prompts that enter a deeper layer of the image tower, as for text_mode.
        template: Text of a class, where [] stands for its name.
        epochs: Number of epochs of a few-shot session.
        base_epochs: Number of epochs of the base session; null: the same as epochs.
        batch_size: Number of images in a batch of a few-shot session.
        base_batch_size: Number of images in a batch of the base session.
        max_lr: Learning rate at the end of the warm-up, which 5 epochs never reach.
        min_lr: Learning rate of the first epoch.
        warmup: Number of warm-up steps.
        cycle: Number of steps in a cycle, warm-up included.
        momentum: Momentum of SGD.
        weight_decay: Weight decay of SGD.
        regularize: Whether gradients are scaled by the share of new classes among all seen.
        schedule: Interval between steps of the learning rate: an epoch, as published, or a batch.
        precision: Floating-point format of the forward pass.
        compile: Compilation of the forward pass. auto: long sessions on a GPU are compiled, short ones replayed as a
            CUDA graph if the model allows it.
        device: Device of the model.

    """
    clip = load_clip(backbone, pretrained, device=device, quick_gelu=quick_gelu)
    model = PromptedCLIP.from_clip(
        clip,
        stream.class_names,
        prompts=prompts,
        depth=depth,
        text_mode=text_mode,
        vision_mode=vision_mode,
        template=template,
    )
    plugins = [
        BaseSession(epochs=epochs if base_epochs is None else base_epochs, train_mb_size=base_batch_size),
        ClassScope(training="current", evaluation="seen"),
        WarmupCosine(
            max_lr=max_lr,
            min_lr=min_lr,
            warmup=warmup,
            cycle=cycle,
            every="epoch" if schedule == "per_epoch" else "step",
        ),
    ]
    if regularize:
        plugins.append(NewClassGradientScale())
    return Strategy(
        model=model,
        # WarmupCosine sets the learning rate from the first step on.
        optimizer=partial(SGD, lr=min_lr, momentum=momentum, weight_decay=weight_decay),
        train_mb_size=batch_size,
        train_epochs=epochs,
        eval_mb_size=64,
        device=device,
        plugins=plugins,
        precision=precision,
        compile=compile,
    )
