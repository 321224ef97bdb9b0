"""A residual block of open_clip's transformers, with attention computed in one fused step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from open_clip.transformer import ResidualAttentionBlock
from torch import Tensor, nn
from torch.nn import functional as F


def residual_block(block: nn.Module, state: Tensor, mask: Tensor | None = None, read: Tensor | None = None) -> Tensor:
    """Return the output of a block, computed by :func:`self_attention` if it is a standard one.

    The result equals the block's own forward pass up to rounding. The block uses ``nn.MultiheadAttention``, whose
    linear maps see transposed tokens; on a CPU their gradient then copies the weights once for every token.

    Args:
        block: Block of ``transformer.resblocks``; other kinds than open_clip's ``ResidualAttentionBlock`` are called.
        state: Tokens ``(B, T, D)``.
        mask: Mask ``(T, T)``, added to the scores; None: no mask.
        read: Place of the one token of each sequence that is used afterwards, ``(B,)``; the outputs of the others are
            not computed. None: all tokens.

    Returns:
        Tokens ``(B, T, D)``, or ``(B, D)`` with ``read``.

    """
    usual: Any = block
    own = isinstance(block, ResidualAttentionBlock) and _is_usual(usual.attn) and not hasattr(usual, "ln_1_kv")
    if not own or block._forward_pre_hooks or block._forward_hooks:  # a hook must see the call of the block
        output: Tensor = usual(state, attn_mask=mask)
        return output if read is None else _at(output, read)
    mixed = self_attention(usual.attn, usual.ln_1(state), mask, read)
    state = (state if read is None else _at(state, read)) + usual.ls_1(mixed)
    result: Tensor = state + usual.ls_2(usual.mlp(usual.ln_2(state)))
    return result


def self_attention(
    attention: nn.MultiheadAttention, state: Tensor, mask: Tensor | None = None, read: Tensor | None = None
) -> Tensor:
    r"""Return multi-head self-attention, :math:`\mathrm{softmax}(Q K^\top / \sqrt d + M) V`, mixed by the output map.

    Args:
        attention: Layer with the batch first, one width for queries, keys and values, and no dropout.
        state: Tokens ``(B, T, D)``.
        mask: Mask ``(T, T)``, added to the scores; None: no mask.
        read: Place of the one token of each sequence that queries the others, ``(B,)``; None: all tokens do.

    Returns:
        Tokens ``(B, T, D)``, or ``(B, D)`` with ``read``.

    Example:
        >>> layer, tokens = nn.MultiheadAttention(4, 2, batch_first=True), torch.rand(1, 3, 4)
        >>> torch.allclose(self_attention(layer, tokens), layer(tokens, tokens, tokens)[0], atol=1e-6)
        True

    """
    width, weight, bias = state.shape[-1], attention.in_proj_weight, attention.in_proj_bias
    if read is None:
        query, key, value = _heads(F.linear(state, weight, bias), attention.num_heads, 3)
    else:
        (query,) = _heads(F.linear(_at(state, read)[:, None], weight[:width], bias[:width]), attention.num_heads, 1)
        key, value = _heads(F.linear(state, weight[width:], bias[width:]), attention.num_heads, 2)
        mask = None if mask is None else mask[read][:, None, None]
    mask = None if mask is None else mask.to(query.dtype)
    mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2).flatten(2)
    projected: Tensor = attention.out_proj(mixed if read is None else mixed[:, 0])
    return projected


def _heads(packed: Tensor, heads: int, parts: int) -> Iterable[Tensor]:
    """Split ``(B, T, parts * D)`` into ``parts`` tensors ``(B, heads, T, D / heads)``."""
    parted: Iterable[Tensor] = packed.unflatten(2, (parts, heads, -1)).permute(2, 0, 3, 1, 4)
    return parted


def _at(state: Tensor, places: Tensor) -> Tensor:
    """Return one token of each sequence, ``(B, D)``."""
    return state[torch.arange(len(state), device=state.device), places]


def _is_usual(attention: nn.Module) -> bool:
    return (
        isinstance(attention, nn.MultiheadAttention)
        and attention.batch_first
        and attention.in_proj_weight is not None
        and attention.bias_k is None
        and not attention.add_zero_attn
        and not attention.dropout
    )
