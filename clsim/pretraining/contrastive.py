"""Contrastive language-image pre-training of a small open_clip model (arXiv 2103.00020, figure 3)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from open_clip.model import CLIP
from torch import Tensor, nn
from torch.nn import functional as F

from clsim.config.models.recipe import ClipRecipe
from clsim.losses import contrastive_loss
from clsim.models.tokenizer import CompactTokenizer
from clsim.models.towers import read_text
from clsim.pretraining.corpora import Corpus
from clsim.pretraining.partial import Partial
from clsim.utils.device import autocast
from clsim.utils.precision import usable

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
FIRST_SCALE, LAST_SCALE = 1 / 0.07, 100.0

Progress = Callable[[int, int, float, float], None]
"""Callback ``progress(step, steps, loss, images_per_second)``, called about once a second."""


def interchangeable(tokens: Tensor, topics: Tensor) -> Tensor:
    """Return which captions fit which images, bool ``(B, B)``: equal texts, or equal topics other than -1."""
    _, text = tokens.unique(dim=0, return_inverse=True)
    same: Tensor = text[:, None] == text[None]
    return same | ((topics[:, None] == topics[None]) & (topics[:, None] >= 0))


def learning_rate(step: int, steps: int, recipe: ClipRecipe) -> float:
    """Return the learning rate of a linear warm-up and a cosine decay to zero."""
    warmup = max(1, round(recipe.warmup * steps))
    if step < warmup:
        return recipe.lr * (step + 1) / warmup
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def logit_scale(step: int, steps: int) -> float:
    """Return a logit scale that rises geometrically from the start to the end of CLIP's learned one.

    Learnt, it would stay far below in so short a training; what tunes the model afterwards takes 100 for granted.
    """
    return float(FIRST_SCALE * (LAST_SCALE / FIRST_SCALE) ** (step / max(1, steps - 1)))


def train(
    recipe: ClipRecipe,
    corpus: Corpus,
    *,
    device: str = "cpu",
    progress: Progress | None = None,
    unfinished: Partial | None = None,
) -> tuple[nn.Module, CompactTokenizer]:
    """Train the model of a recipe. The global random generators do not change.

    Returns:
        An ``open_clip.model.CLIP`` in evaluation mode, and its tokenizer.
    """
    tokenizer = CompactTokenizer.from_texts(corpus.texts(), recipe.vocabulary, recipe.context_length)
    architecture = recipe.architecture(len(tokenizer))
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        model = CLIP(**architecture).to(device)
    model.logit_scale.requires_grad_(False)
    optimizer = make_optimizer(model, recipe)
    mean, std = (torch.tensor(v, device=device).view(1, 3, 1, 1) for v in (MEAN, STD))
    steps, started, reported = recipe.epochs * corpus.steps(), time.monotonic(), 0.0
    done = unfinished.restore(model, optimizer) if unfinished else 0
    first = step = done * corpus.steps()
    precision = usable(recipe.precision, device)
    for epoch in range(done, recipe.epochs):
        for pairs in corpus.epoch(epoch):
            # What a step needs to know of the captions is found out before they leave the CPU: nothing waits for a GPU.
            tokens = tokenizer(pairs.captions)
            end = tokens.argmax(dim=1)
            trimmed, ends, same = (
                part.to(device, non_blocking=True)
                for part in (tokens[:, : int(end.max()) + 1], end, interchangeable(tokens, pairs.topics))
            )
            images = (pairs.pixels.to(device, non_blocking=True).float() / 255 - mean) / std
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, steps, recipe)
            with autocast(device, precision):
                seen, texts = model.encode_image(images), read_text(model, trimmed, ends)
            seen, texts = F.normalize(seen.float(), dim=-1), F.normalize(texts.float(), dim=-1)
            logits = logit_scale(step, steps) * seen @ texts.T
            loss = contrastive_loss(logits, same)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step += 1
            elapsed = time.monotonic() - started
            if progress is not None and (elapsed - reported > 1 or step == steps):
                reported = elapsed
                progress(step, steps, float(loss.detach()), (step - first) * recipe.batch_size / elapsed)
        if unfinished:
            unfinished.save(epoch + 1, model, optimizer)
    with torch.no_grad():
        model.logit_scale.fill_(math.log(LAST_SCALE))
    return model.eval(), tokenizer


def make_optimizer(model: nn.Module, recipe: ClipRecipe) -> torch.optim.Optimizer:
    """Return AdamW without decay of gains and biases."""
    decay = [p for p in model.parameters() if p.requires_grad and p.ndim >= 2]
    rest = [p for p in model.parameters() if p.requires_grad and p.ndim < 2]
    groups = [{"params": decay, "weight_decay": recipe.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.lr, betas=(0.9, 0.98), eps=1e-6)
