"""CPE-CLIP: continual parameter-efficient CLIP for few-shot class-incremental learning (arXiv 2303.04751).

CLIP stays frozen. A few prompt tokens in every layer of both towers, and one linear map that carries them from the
text tower into the image tower, are all that learns: about 400,000 numbers. Three things keep what was learnt:
the loss compares only the classes of the present session, gradients shrink by the share of new classes among all
seen, and nothing else moves. Defaults are the published settings; no image is kept, augmented or replayed.
"""

from functools import partial
from typing import Literal

from torch.optim import SGD

from clsim import Strategy
from clsim.models import PromptedCLIP, load_clip
from clsim.plugins import BaseSession, ClassScope, NewClassGradientScale, WarmupCosine
from clsim.streams import Stream
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
    regularise: bool = True,
    schedule: Literal["per_epoch", "per_step"] = "per_epoch",
    precision: Literal["fp32", "bf16", "fp16"] = "fp32",
    compile: Literal["auto", "on", "off"] = "auto",
    device: str = "cpu",
) -> Strategy:
    """Composes CPE-CLIP.

    Args:
        stream: names the classes.
        backbone: an open_clip model whose image tower is a ViT.
        pretrained: an open_clip tag, the path of a checkpoint, an entry of the scenario's models, or null.
        quick_gelu: the activation of weights in a file: QuickGELU, GELU, or null, as the file tells.
        prompts: prompt tokens a layer.
        depth: layers that get prompts, counted from the first; all of a tower that has fewer.
        text_mode: what a deeper layer of the text tower does with the prompts of the one below.
        vision_mode: the same for the image tower.
        template: text of a class, [] standing for its name.
        epochs: passes over a few-shot session.
        base_epochs: passes over the base session; as epochs if null.
        batch_size: of a few-shot session.
        base_batch_size: of the base session.
        max_lr: top of the warm-up, which 5 epochs never reach.
        min_lr: learning rate of the first epoch.
        warmup: steps of the warm-up.
        cycle: steps of a cycle, warm-up included.
        momentum: of SGD.
        weight_decay: of SGD.
        regularise: scale gradients by new classes over seen classes.
        schedule: step the learning rate once an epoch, as published, or once a batch.
        precision: of the forward pass.
        compile: compile the forward pass; auto: in long sessions on a GPU, and replay short ones if the model may be.
        device: where it runs.

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
    if regularise:
        plugins.append(NewClassGradientScale())
    return Strategy(
        model=model,
        # The rate is the schedule's from the first step on.
        optimizer=partial(SGD, lr=min_lr, momentum=momentum, weight_decay=weight_decay),
        train_mb_size=batch_size,
        train_epochs=epochs,
        eval_mb_size=64,
        device=device,
        plugins=plugins,
        precision=precision,
        compile=compile,
    )
