"""The two towers of an open_clip model, read with prompts among their tokens or without."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from clsim.models.attention import residual_block

PromptMode = Literal["replace", "accumulate", "accumulate_same"]


def deepen(state: Tensor, prompts: Tensor, layer: int, start: int, mode: PromptMode) -> Tensor:
    """The token sequence that enters ``layer``, with that layer's prompts in place.

    Args:
        state: output of the layer below, ``(B, T, D)``; its prompt tokens begin at ``start``.
        prompts: all prompts, ``(layers, L, D)``.
        layer: index of the layer about to run, from 1.
        start: position of the first prompt token.
        mode: ``replace`` overwrites the prompts' outputs by this layer's prompts; ``accumulate`` keeps them and
            adds this layer's behind; ``accumulate_same`` puts in the raw prompts of all layers so far.

    Returns:
        ``(B, T', D)`` with ``L`` prompt tokens (``replace``) or ``L * (layer + 1)``.

    Source: ``CoLeLib/models/clip_models.py`` of the authors' code.

    """
    length = prompts.shape[1]
    present = length if mode == "replace" else length * layer
    keep = start + present if mode == "accumulate" else start
    fresh = prompts[: layer + 1].flatten(0, 1) if mode == "accumulate_same" else prompts[layer]
    fresh = fresh.to(state.dtype).expand(state.shape[0], -1, -1)
    return torch.cat([state[:, :keep], fresh, state[:, start + present :]], dim=1)


def read_image(vision: Any, images: Tensor, prompts: Tensor | None = None, mode: PromptMode = "accumulate") -> Tensor:
    """Image features ``(B, E)``, not normalised.

    Args:
        vision: the image tower, see :func:`towers`.
        images: ``(B, 3, H, W)``, normalised, of the tower's size.
        prompts: ``(layers, L, width)``, put behind the patches; layers beyond them get none of their own.
        mode: see :func:`deepen`.

    """
    state = vision.conv1(images).flatten(2).transpose(1, 2)
    first = vision.class_embedding.to(state.dtype).expand(state.shape[0], 1, -1)
    state = torch.cat([first, state], dim=1) + vision.positional_embedding.to(state.dtype)
    start = state.shape[1]
    if prompts is not None:
        state = torch.cat([state, prompts[0].to(state.dtype).expand(state.shape[0], -1, -1)], dim=1)
    state = vision.ln_pre(state)
    blocks = vision.transformer.resblocks
    for layer, block in enumerate(blocks):
        if prompts is not None and 0 < layer < len(prompts):
            state = deepen(state, prompts, layer, start, mode)
        # Of the last layer only the class token is looked at.
        read = torch.zeros(len(state), dtype=torch.long, device=state.device) if layer == len(blocks) - 1 else None
        state = residual_block(block, state, read=read)
    features: Tensor = vision.ln_post(state) @ vision.proj
    return features


def read_text(
    text: Any,
    tokens: Tensor,
    end: Tensor,
    prompts: Tensor | None = None,
    mode: PromptMode = "replace",
    *,
    words_move: bool = True,
) -> Tensor:
    """Text features ``(n, E)``, not normalised.

    Args:
        text: the text tower, see :func:`towers`.
        tokens: int64 ``(n, T)``, cut behind the longest text if one likes: what stands there is never looked at.
        end: place of each text's end token, ``(n,)``.
        prompts: ``(layers, L, width)``, put behind the start token.
        mode: see :func:`deepen`.
        words_move: whether positions are added after the prompts went in, so that the words of a text move on by their
            number; else every word keeps the position it was trained in, and prompts have none.

    """
    state = text.token_embedding(tokens)
    if not words_move:
        state = _placed(text, state)
    if prompts is not None:
        first = prompts[0].to(state.dtype).expand(len(state), -1, -1)
        state = torch.cat([state[:, :1], first, state[:, 1:]], dim=1)
    if words_move:
        state = _placed(text, state)
    mask = causal_mask(state.shape[1], state.device)
    blocks = text.transformer.resblocks
    if prompts is not None:
        prompted, length = min(len(prompts), len(blocks)), prompts.shape[1]
        end = end + (length if mode == "replace" else length * prompted)
    for layer, block in enumerate(blocks):
        if prompts is not None and 0 < layer < len(prompts):
            state = deepen(state, prompts, layer, 1, mode)
        if len(mask) != state.shape[1]:
            mask = causal_mask(state.shape[1], state.device)
        state = residual_block(block, state, mask, end if layer == len(blocks) - 1 else None)
    pooled: Tensor = text.ln_final(state)
    projection = text.text_projection
    if projection is None:
        return pooled
    features: Tensor = projection(pooled) if isinstance(projection, nn.Linear) else pooled @ projection
    return features


def _placed(text: Any, state: Tensor) -> Tensor:
    """Tokens with their positions."""
    placed: Tensor = state + text.positional_embedding[: state.shape[1]].to(state.dtype)
    return placed


def towers(clip: nn.Module) -> tuple[Any, Any]:
    """The text and the image tower of an open_clip model.

    Raises:
        ValueError: the image tower is not a plain vision transformer read off at its class token, or the text
            tower is not one of :func:`text_tower`.

    """
    model: Any = clip
    vision = model.visual
    plain = all(hasattr(vision, name) for name in ("conv1", "class_embedding", "transformer", "ln_pre", "proj"))
    if not plain or vision.attn_pool is not None or vision.pool_type != "tok" or vision.final_ln_after_pool:
        raise ValueError(
            "prompts need an image tower that is a vision transformer with a class token "
            f"(ViT-B-16, ViT-L-14, ...); this model's is a {type(vision).__name__}"
        )
    text = text_tower(model)
    if text is None:
        raise ValueError(
            "prompts need a text tower that is open_clip's own transformer, in which a word sees those before it, "
            f"read off at its end token; this one, a {type(getattr(model, 'text', model)).__name__}, is not"
        )
    return text, vision


def text_tower(clip: nn.Module) -> Any | None:
    """The text tower of an open_clip model, if :func:`read_text` reads it as the model itself does.

    That is open_clip's own transformer with causal attention, read off at the end token, which has the highest id.
    Others (SigLIP, CoCa, CLIPA, Hugging Face's) look at what stands behind a text, or are read off elsewhere.
    """
    model: Any = clip
    text = getattr(model, "text", model)
    pooling = getattr(model, "text_pool_type", None) or getattr(text, "pool_type", "argmax")
    own = hasattr(getattr(text, "transformer", None), "resblocks") and pooling == "argmax"
    causal = getattr(text, "attn_mask", None) is not None and getattr(text, "cls_emb", None) is None
    return text if own and causal else None


def causal_mask(length: int, device: torch.device) -> Tensor:
    """``(length, length)``, minus infinity above the diagonal: a token sees itself and what came before."""
    return torch.full((length, length), float("-inf"), device=device).triu(1)
