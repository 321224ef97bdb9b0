"""XBT-style cross-modal backward compatibility (after arXiv 2405.14715): a new CLIP searches the index of an old one.

Stage 1 needs no image: a projection from the new model's space into the old one's learns from captions that both
models encode. Stage 2 tunes low-rank changes and prompts in both towers, and the projection, with few pairs of image
and caption: each image finds its caption among the new and the old features of the batch's captions, and each caption
stays where the old model had it. Weights of both models stay frozen, and stage 2 does not run the old model. The
paper's losses and sizes are not public: these are clsim's, and results are of this "XBT-style" method, not of the
paper's.

L = w_p L_c(V(x), T(c)) + w_t L_c(V(x), T_old(c)) + w_i L_c(T(c), V_old(x)) + w_d (1 - cos(T(c), T_old(c))), where V
and T are the new towers behind the projection, and V_old(x) is the feature of the image in the old index.
"""

from functools import partial

import torch

from clsim import Strategy
from clsim.data.augment import RandomCrop
from clsim.losses import contrastive_loss, cosine_distillation, no_loss
from clsim.models import ImageTextModel, LoadedClip, Projection
from clsim.plugins import CaptionContrast, ClipUpgrade, TextProjection, WarmupCosine
from clsim.streams import TextStream
from clsim.training.options import Compile, Precision
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
    contrast_weight: float = 0.1,
    rank: Whole = 8,
    prompt_tokens: Whole = 4,
    pair_weight: float = 1.0,
    old_text_weight: float = 1.0,
    old_image_weight: float = 2.0,
    distillation_weight: float = 1.0,
    scale: float = 50.0,
    epochs: Whole = 5,
    warmup: Whole = 1,
    batch_size: Count = 128,
    lr: NotNegative = 0.0005,
    weight_decay: NotNegative = 0.01,
    crop_padding: Whole = 0,
    precision: Precision = "fp32",
    compile: Compile = "auto",
    device: str = "cpu",
) -> Strategy:
    """Compose text-only projection and parameter-efficient tuning.

    Args:
        stream: Stream of image-text models, with captions and pairs.
        hidden: Number of hidden units of the network that corrects the projection's matrix; 0: the matrix alone.
        text_steps: Number of steps of Adam in stage 1, on captions alone.
        text_batch_size: Number of captions in a batch of stage 1.
        text_lr: Highest learning rate of stage 1, which falls to 0 along a cosine.
        contrast_weight: Weight of the contrastive loss between captions in stage 1, added to the distance to the old
            features.
        rank: Rank of the low-rank changes in both towers; 0: none.
        prompt_tokens: Number of prompt tokens in each tower; 0: none.
        pair_weight: Weight of the contrastive loss between images and captions.
        old_text_weight: Weight of the contrastive loss between images and old features of captions.
        old_image_weight: Weight of the contrastive loss between captions and old features of images, read from the
            index; 0: none.
        distillation_weight: Weight of the cosine distance between captions and their old features.
        scale: Inverse temperature of the contrastive losses of stage 2.
        epochs: Number of epochs on the pairs.
        warmup: Number of warm-up epochs, included in epochs.
        batch_size: Number of pairs in a batch.
        lr: Highest learning rate of AdamW, which falls to 0 along a cosine.
        weight_decay: Weight decay of AdamW.
        crop_padding: Padding in pixels of the random crop.
        precision: Floating-point format of the forward pass.
        compile: Compilation of the forward pass. auto: long sessions on a GPU are compiled, short ones replayed as a
            CUDA graph if the model allows it.
        device: Device of the models.

    """

    def new_model(clip: LoadedClip, old: ImageTextModel) -> ImageTextModel:
        model = ImageTextModel(clip, prompts=prompt_tokens, rank=rank)
        model.projection = Projection(model.width, old.features, hidden)
        return model

    def contrast(queries: torch.Tensor, keys: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
        return contrastive_loss(scale * queries @ keys.T, same)

    upgrade = ClipUpgrade(stream.models, new_model)
    projection = TextProjection(
        upgrade, stream.texts, steps=text_steps, batch_size=text_batch_size, lr=text_lr, contrast_weight=contrast_weight
    )
    losses = [
        (pair_weight, lambda batch: contrast(batch.images, batch.texts, batch.same)),
        (old_text_weight, lambda batch: contrast(batch.images, batch.old_texts, batch.same)),
        (old_image_weight, lambda batch: contrast(batch.texts, batch.old_images, batch.same)),
        (distillation_weight, lambda batch: cosine_distillation(batch.texts, batch.old_texts)),
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
        augment=RandomCrop(crop_padding),  # no flip: captions name left and right
        precision=precision,
        compile=compile,
    )
