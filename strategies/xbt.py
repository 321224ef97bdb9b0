"""XBT-style cross-modal backward compatibility (after arXiv 2405.14715): a new CLIP searches the index of an old one.

Stage 1 needs no image: a projection from the new model's space into the old one's learns from captions that both
models read. Stage 2 tunes what steers the new model (low-rank changes and prompts in both towers, and the projection)
with few pairs of image and caption: each image is to find its caption among the new and the old features of the
batch's captions, and each caption stays where the old model had it. Weights of both models are never touched, and
stage 2 does not ask the old model any more. The paper's losses and sizes are not public: these are ours, and results
are of this method, "XBT-style", and not of the paper's.

L = w_m L_c(V(x), T(c)) + w_t L_c(V(x), T_old(c)) + w_i L_c(T(c), V_old(x)) + w_k (1 - cos(T(c), T_old(c))), where V
and T are the new towers behind the projection, and V_old(x) is what the old index holds of the image.
"""

from functools import partial
from typing import Literal

import torch

from clsim import Strategy
from clsim.data.augment import RandomCrop
from clsim.losses import contrastive_loss, cosine_distillation, no_loss
from clsim.models import ImageTextModel, LoadedClip, Projection
from clsim.plugins import CaptionContrast, ClipUpgrade, TextProjection, WarmupCosine
from clsim.streams import TextStream
from clsim.utils.arguments import Count, NotNegative, Whole

STREAMS = ("text_upgrade",)
REQUIRES = ("text_upgrade",)


def build(
    stream: TextStream,
    *,
    hidden: Whole = 256,
    text_steps: Whole = 200,
    text_batch_size: Count = 512,
    text_lr: NotNegative = 0.0001,
    contrast: float = 0.1,
    rank: Whole = 8,
    prompt_tokens: Whole = 4,
    matched: float = 1.0,
    to_texts: float = 1.0,
    to_images: float = 2.0,
    kept: float = 1.0,
    scale: float = 50.0,
    epochs: Whole = 5,
    warmup: Whole = 1,
    batch_size: Count = 128,
    lr: NotNegative = 0.0005,
    weight_decay: NotNegative = 0.01,
    crop_padding: Whole = 0,
    precision: Literal["fp32", "bf16", "fp16"] = "fp32",
    compile: Literal["auto", "on", "off"] = "auto",
    device: str = "cpu",
) -> Strategy:
    """Composes text-only projection and parameter-efficient tuning.

    Args:
        stream: brings the models, captions and pairs.
        hidden: numbers inside the projection's correction of a rotation; 0 leaves a matrix alone.
        text_steps: of Adam on captions alone.
        text_batch_size: captions a step.
        text_lr: top of their learning rate, which falls to 0 along a cosine.
        contrast: weight of telling captions apart beside being near the old ones, in these steps.
        rank: of the low-rank changes in both towers; 0 for none.
        prompt_tokens: in each tower; 0 for none.
        matched: weight of images and captions finding each other.
        to_texts: of images and old features of captions finding each other.
        to_images: of captions and old features of images, as the index holds them, finding each other; 0: left
            out.
        kept: of the distance of captions from their old features.
        scale: cosines are multiplied by it where they compete.
        epochs: passes over the pairs.
        warmup: of these, how many the learning rate rises.
        batch_size: pairs a step.
        lr: top of the learning rate of AdamW, which falls to 0 along a cosine.
        weight_decay: of AdamW.
        crop_padding: pixels by which a random crop may be off.
        precision: of the forward pass.
        compile: compile the forward pass; auto: in long sessions on a GPU, and replay short ones if the model may be.
        device: where it runs.

    """

    def steered(clip: LoadedClip, old: ImageTextModel) -> ImageTextModel:
        model = ImageTextModel(clip, prompts=prompt_tokens, rank=rank)
        model.projection = Projection(model.width, old.features, hidden)
        return model

    def contrasted(this: torch.Tensor, that: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
        return contrastive_loss(scale * this @ that.T, same)

    upgrade = ClipUpgrade(stream.models, steered)
    projection = TextProjection(
        upgrade, stream.texts, steps=text_steps, batch_size=text_batch_size, lr=text_lr, contrast_weight=contrast
    )
    losses = [
        (matched, lambda batch: contrasted(batch.images, batch.texts, batch.same)),
        (to_texts, lambda batch: contrasted(batch.images, batch.old_texts, batch.same)),
        (to_images, lambda batch: contrasted(batch.texts, batch.old_images, batch.same)),
        (kept, lambda batch: cosine_distillation(batch.texts, batch.old_texts)),
    ]
    return Strategy(
        model=ImageTextModel(stream.models[0].clip),
        optimizer=partial(torch.optim.AdamW, lr=lr, weight_decay=weight_decay),
        criterion=no_loss,
        train_mb_size=batch_size,
        train_epochs=epochs,
        device=device,
        plugins=[
            upgrade,
            projection,
            CaptionContrast(stream.pairs, upgrade, projection, losses),
            WarmupCosine(max_lr=lr, min_lr=0.0, warmup=warmup, cycle=epochs, rises_at_once=True),
        ],
        augment=RandomCrop(crop_padding),  # no mirror: captions know left from right
        precision=precision,
        compile=compile,
    )
