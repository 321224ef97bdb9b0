"""CPE-CLIP as its authors compute it, the reference for clsim in time and result."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clsim.losses import EXCLUDED
from clsim.models import PromptedCLIP
from clsim.models.towers import causal_mask, towers


class PublishedWay(nn.Module):
    """Logits of a :class:`~clsim.models.PromptedCLIP` with the same parameters, without clsim's savings.

    The texts of all classes seen are encoded at each step and for each batch of an evaluation. In training the logits
    of old classes are overwritten afterwards. Attention is three projections, a product, a softmax and a product in
    sequence, and prompts are copied for each image and class. Texts are padded to the longest one, as in the authors'
    tokenizer, and padded tokens are masked.

    Args:
        model: Model with prompts of the published kinds (``replace`` among words, ``accumulate`` among patches).
        seen: Number of classes seen so far, those with the lowest ids.

    Source: ``CoLeLib/models/clip_models.py`` and ``CoLeLib/training/strategies/clip_pe.py`` of the authors' code.

    """

    def __init__(self, model: PromptedCLIP, seen: int) -> None:
        super().__init__()
        self.model = model
        self.seen = seen

    def forward(self, images: Tensor) -> Tensor:
        """Return logits ``(B, seen)`` of images ``(B, 3, H, W)`` in [0, 1]."""
        image, text = self.encode_image(images), self.encode_texts(self.model.tokens[: self.seen])
        return self.model.LOGIT_SCALE * image @ text.T

    def loss(self, images: Tensor, labels: Tensor, new: int) -> Tensor:
        """Return the cross-entropy with the logits of all but the last ``new`` classes overwritten."""
        logits = self(images)
        masked = torch.cat([torch.full_like(logits[:, :-new], EXCLUDED), logits[:, -new:]], dim=1)
        return F.cross_entropy(masked, labels)

    def encode_image(self, images: Tensor) -> Tensor:
        """Return unit image features ``(B, E)``."""
        model = self.model
        vision: Any = towers(model.clip)[1]
        prompts = [model.prompt_projection(prompt) for prompt in model.prompts]
        patches = vision.conv1(model.preprocess(images)).flatten(2).transpose(1, 2)
        first = vision.class_embedding.repeat(len(images), 1, 1)
        state = torch.cat([first, patches], dim=1) + vision.positional_embedding
        state = vision.ln_pre(torch.cat([state, prompts[0].repeat(len(images), 1, 1)], dim=1))
        for layer, block in enumerate(vision.transformer.resblocks):
            if 0 < layer < len(prompts):
                state = torch.cat([state, prompts[layer].repeat(len(images), 1, 1)], dim=1)
            state = _block(block, state)
        return F.normalize(vision.ln_post(state[:, 0]) @ vision.proj, dim=-1)

    def encode_texts(self, tokens: Tensor) -> Tensor:
        """Return unit text features ``(K, E)`` of token ids ``(K, T)``."""
        prompts, length = self.model.prompts, self.model.prompts.shape[1]
        text: Any = towers(self.model.clip)[0]
        words, end = text.token_embedding(tokens), tokens.argmax(dim=1)
        state = torch.cat([words[:, :1], prompts[0].repeat(len(tokens), 1, 1), words[:, 1:]], dim=1)
        state = state + text.positional_embedding[: state.shape[1]]
        places = torch.arange(state.shape[1], device=tokens.device)
        padded = places > (end + length)[:, None]
        hidden = torch.zeros(padded.shape, device=tokens.device).masked_fill(padded, torch.finfo(torch.float32).min)
        mask = causal_mask(state.shape[1], tokens.device) + hidden[:, None, None]
        for layer, block in enumerate(text.transformer.resblocks):
            if 0 < layer < len(prompts):
                fresh = prompts[layer].repeat(len(tokens), 1, 1)
                state = torch.cat([state[:, :1], fresh, state[:, 1 + length :]], dim=1)
            state = _block(block, state, mask)
        pooled = text.ln_final(state)[torch.arange(len(tokens), device=tokens.device), end + length]
        return F.normalize(pooled @ text.text_projection, dim=-1)


def _block(block: Any, state: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the output of a residual block of open_clip, computed from its weights."""
    state = state + _attention(block.attn, block.ln_1(state), mask)
    result: Tensor = state + block.mlp(block.ln_2(state))
    return result


def _attention(attention: nn.MultiheadAttention, state: Tensor, mask: Tensor | None) -> Tensor:
    batch, tokens, width = state.shape
    size = width // attention.num_heads
    query, key, value = (
        F.linear(state, weight, bias).view(batch, tokens, attention.num_heads, size).transpose(1, 2)
        for weight, bias in zip(attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3), strict=True)
    )
    scores = (query * size**-0.5) @ key.transpose(-1, -2)
    weights = (scores if mask is None else scores + mask).softmax(dim=-1)
    joined = (weights @ value).transpose(1, 2).reshape(batch, tokens, width)
    projected: Tensor = attention.out_proj(joined)
    return projected
