"""Training of a small CLIP on the features of a frozen ImageNet classifier, its teacher."""

from __future__ import annotations

import math
import time

import torch
from open_clip.model import CLIP
from torch import Tensor, nn
from torch.nn import functional as F

from clsim.config.models.recipe import ClipRecipe
from clsim.losses import EXCLUDED, contrastive_loss
from clsim.models.feature_tokens import build_clip
from clsim.models.teacher import Teacher
from clsim.models.tokenizer import CompactTokenizer
from clsim.models.towers import read_image, read_text, towers
from clsim.pretraining.contrastive import (
    LAST_SCALE,
    Progress,
    interchangeable,
    learning_rate,
    logit_scale,
    make_optimizer,
)
from clsim.pretraining.partial import Partial
from clsim.pretraining.taught_corpus import TaughtCorpus, TaughtStep


def labeled_loss(logits: Tensor, places: Tensor, labeled: Tensor) -> Tensor:
    r"""Return the cross-entropy of labeled images over the classes that have labeled images.

    .. math:: L = -\frac1B \sum_i \log \frac{e^{s_{i,y_i}}}{\sum_{k \in \mathcal L} e^{s_{ik}}}

    Classes without labeled images would never be right; as wrong answers, their texts would leave all images.

    Args:
        logits: Scaled similarities :math:`s` of images and class texts, ``(B, K)``.
        places: Column :math:`y` of each image's class, ``(B,)``.
        labeled: Mask of the columns :math:`\mathcal L` of classes with labeled images, ``(K,)``.

    Example:
        >>> labeled_loss(torch.zeros(1, 3), torch.tensor([0]), torch.tensor([True, True, False]))  # log 2
        tensor(0.6931)

    """
    return F.cross_entropy(logits.masked_fill(~labeled, EXCLUDED), places)


def soft_target_loss(logits: Tensor, taught: Tensor) -> Tensor:
    r"""Return the cross-entropy against the teacher's probabilities of the same classes.

    .. math:: L = -\frac1B \sum_i \sum_k \mathrm{softmax}(t_i)_k \log \mathrm{softmax}(s_i)_k

    Args:
        logits: Scaled similarities :math:`s` of images and class texts, ``(B, K)``.
        taught: Teacher's logits :math:`t` of the same images and classes, ``(B, K)``.

    Source: arXiv 1503.02531, section 2, at temperature 1.

    Example:
        >>> soft_target_loss(torch.zeros(1, 2), torch.tensor([[5.0, -5.0]]))  # log 2
        tensor(0.6931)

    """
    return F.cross_entropy(logits, taught.softmax(dim=1))


def step_loss(recipe: ClipRecipe, step: TaughtStep, images: Tensor, texts: Tensor, same: Tensor) -> Tensor:
    """Return the loss of a step: labels, soft targets and captions.

    Args:
        recipe: Recipe with a teacher.
        step: Step of ``K`` classes, ``B`` labeled and ``C`` captioned images.
        images: Unit features of labeled, then captioned images, ``(B + C, E)``.
        texts: Unit features of class texts times the logit scale, then of captions, ``(K + C, E)``.
        same: Captions that fit several images, see :func:`~clsim.pretraining.contrastive.interchangeable`.

    """
    assert recipe.teacher is not None
    labeled, classes = len(step.places), len(step.labeled)
    logits = images @ texts.T
    loss = labeled_loss(logits[:labeled, :classes], step.places, step.labeled)
    loss = loss + recipe.teacher.weight * soft_target_loss(logits[:, :classes], step.taught)
    if labeled < len(images):
        loss = loss + CAPTIONS * contrastive_loss(logits[labeled:, classes:], same)
    return loss


CAPTIONS = 0.5
"""Weight of the loss of captions."""


def train(
    recipe: ClipRecipe,
    corpus: TaughtCorpus,
    teacher: Teacher,
    *,
    device: str = "cpu",
    progress: Progress | None = None,
    unfinished: Partial | None = None,
) -> tuple[CLIP, CompactTokenizer]:
    """Train the model of a recipe. The global random generators do not change.

    Returns:
        An ``open_clip.model.CLIP`` that reads the teacher's features, in evaluation mode; and its tokenizer.

    """
    tokenizer = CompactTokenizer.from_texts(corpus.texts(), recipe.vocabulary, recipe.context_length)
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        model = build_clip(recipe.architecture(len(tokenizer)), teacher.facts.features)
    text, vision = towers(model)
    vision.conv1.standardize(corpus.features)
    model.to(device)
    model.logit_scale.requires_grad_(False)
    optimizer = make_optimizer(model, recipe)
    steps, started, reported = recipe.epochs * corpus.steps(), time.monotonic(), 0.0
    done = unfinished.restore(model, optimizer) if unfinished else 0
    first = at = done * corpus.steps()
    for epoch in range(done, recipe.epochs):
        for step in corpus.epoch(epoch):
            tokens = tokenizer(step.texts)
            end = tokens.argmax(dim=1)
            captions = tokens[len(step.labeled) :]
            same = interchangeable(captions, torch.full((len(captions),), -1)).to(device)
            step = step.to(device)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(at, steps, recipe)
            seen = F.normalize(read_image(vision, step.features), dim=-1)
            words = F.normalize(read_text(text, tokens[:, : int(end.max()) + 1].to(device), end.to(device)), dim=-1)
            loss = step_loss(recipe, step, seen, logit_scale(at, steps) * words, same)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            at += 1
            elapsed = time.monotonic() - started
            if progress is not None and (elapsed - reported > 1 or at == steps):
                reported = elapsed
                progress(at, steps, float(loss.detach()), (at - first) * recipe.batch_size / elapsed)
        if unfinished:
            unfinished.save(epoch + 1, model, optimizer)
    with torch.no_grad():
        model.logit_scale.fill_(math.log(LAST_SCALE))
    return model.eval(), tokenizer
