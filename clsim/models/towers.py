"""Forward passes of the two towers of an open_clip model, with prompts among their tokens or without."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from clsim.models.attention import residual_block

PromptMode = Literal["replace", "accumulate", "accumulate_same"]


def deepen(state: Tensor, prompts: Tensor, layer: int, start: int, mode: PromptMode) -> Tensor:
    """Return the token sequence that enters a layer, with that layer's prompts.

    Args:
        state: Output of the layer below, ``(B, T, D)``; its prompt tokens begin at ``start``.
        prompts: Prompts of all layers, ``(layers, L, D)``.
        layer: Index of the layer about to run, from 1.
        start: Position of the first prompt token.
        mode: Treatment of the prompts of the layer below. ``replace`` overwrites their outputs by this layer's prompts;
            ``accumulate`` appends this layer's prompts; ``accumulate_same`` inserts the raw prompts of all layers so
            far.

    Returns:
        Tokens ``(B, T', D)`` with ``L`` prompt tokens (``replace``) or ``L * (layer + 1)``.

    Source: ``CoLeLib/models/clip_models.py`` of the authors' code.

    """
    length = prompts.shape[1]
    present = length if mode == "replace" else length * layer
    keep = start + present if mode == "accumulate" else start
    fresh = prompts[: layer + 1].flatten(0, 1) if mode == "accumulate_same" else prompts[layer]
    fresh = fresh.to(state.dtype).expand(state.shape[0], -1, -1)
    return torch.cat([state[:, :keep], fresh, state[:, start + present :]], dim=1)


def read_image(vision: Any, images: Tensor, prompts: Tensor | None = None, mode: PromptMode = "accumulate") -> Tensor:
    """Return image features ``(B, E)``, not normalized.

    Args:
        vision: Image tower, see :func:`towers`.
        images: Normalized images ``(B, 3, H, W)`` of the tower's size.
        prompts: Prompts ``(layers, L, width)`` behind the patches; later layers have none.
        mode: Treatment of the prompts of the layer below, see :func:`deepen`.

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
        # Only the class token of the last layer is used.
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
    """Return text features ``(n, E)``, not normalized.

    Args:
        text: Text tower, see :func:`towers`.
        tokens: Token ids, int64 ``(n, T)``; the columns behind the longest text have no effect and may be cut.
        end: Place of each text's end token, ``(n,)``.
        prompts: Prompts ``(layers, L, width)`` behind the start token.
        mode: Treatment of the prompts of the layer below, see :func:`deepen`.
        words_move: Whether the prompts shift the positions of the words; else every word keeps the position that it was
            trained in, and prompts have none.

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
    """Add positions to tokens."""
    placed: Tensor = state + text.positional_embedding[: state.shape[1]].to(state.dtype)
    return placed


def towers(clip: nn.Module) -> tuple[Any, Any]:
    """Return the text and the image tower of an open_clip model.

    Raises:
        ValueError: The image tower is not a plain vision transformer with a class token, or :func:`text_tower` finds no
            text tower.

    """
    model: Any = clip
    vision = model.visual
    plain = all(hasattr(vision, name) for name in ("conv1", "class_embedding", "transformer", "ln_pre", "proj"))
    if not plain or vision.attn_pool is not None or vision.pool_type != "tok" or vision.final_ln_after_pool:
        raise ValueError(
            "prompts need a vision transformer with a class token as image tower "
            f"(ViT-B-16, ViT-L-14, ...), not a {type(vision).__name__}"
        )
    text = text_tower(model)
    if text is None:
        raise ValueError(
            "prompts need open_clip's own text tower, with causal attention and features at the end token, "
            f"not a {type(getattr(model, 'text', model)).__name__}"
        )
    return text, vision


def text_tower(clip: nn.Module) -> Any | None:
    """Return the text tower of an open_clip model, None if :func:`read_text` computes something else than the model.

    It reads open_clip's own transformer with causal attention, whose features stand at the end token, which has the
    highest id. Others (SigLIP, CoCa, CLIPA, Hugging Face's) attend beyond the end of a text or pool elsewhere.
    """
    model: Any = clip
    text = getattr(model, "text", model)
    pooling = getattr(model, "text_pool_type", None) or getattr(text, "pool_type", "argmax")
    own = hasattr(getattr(text, "transformer", None), "resblocks") and pooling == "argmax"
    causal = getattr(text, "attn_mask", None) is not None and getattr(text, "cls_emb", None) is None
    return text if own and causal else None


def causal_mask(length: int, device: torch.device) -> Tensor:
    """Return ``(length, length)``, minus infinity above the diagonal: a token attends to itself and those before."""
    return torch.full((length, length), float("-inf"), device=device).triu(1)
