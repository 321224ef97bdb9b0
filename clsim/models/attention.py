"""A residual block of open_clip's transformers, with attention computed in one fused step."""

from __future__ import annotations

from typing import Any

from open_clip.transformer import ResidualAttentionBlock
from torch import Tensor, nn
from torch.nn import functional as F


def residual_block(block: nn.Module, state: Tensor, mask: Tensor | None = None) -> Tensor:
    """What the block gives for a sequence, computed by :func:`self_attention` where it is one of the usual ones.

    The same figures as the block's own forward pass, up to rounding. That goes through ``nn.MultiheadAttention``, whose
    linear maps see transposed tokens; on a CPU their gradient then copies the weights once for every token.

    Args:
        block: of ``transformer.resblocks``; of another kind than open_clip's ``ResidualAttentionBlock`` it is called.
        state: ``(B, T, D)``.
        mask: ``(T, T)``, added to the scores, or ``None``.

    """
    usual: Any = block
    if not isinstance(block, ResidualAttentionBlock) or not _is_usual(usual.attn) or hasattr(usual, "ln_1_kv"):
        return usual(state, attn_mask=mask)  # type: ignore[no-any-return]
    if block._forward_pre_hooks or block._forward_hooks:  # whoever listens at the block is to hear it
        return usual(state, attn_mask=mask)  # type: ignore[no-any-return]
    state = state + usual.ls_1(self_attention(usual.attn, usual.ln_1(state), mask))
    result: Tensor = state + usual.ls_2(usual.mlp(usual.ln_2(state)))
    return result


def self_attention(attention: nn.MultiheadAttention, state: Tensor, mask: Tensor | None = None) -> Tensor:
    r"""Multi-head self-attention, :math:`\mathrm{softmax}(Q K^\top / \sqrt d + M) V`, mixed by the output map.

    Args:
        attention: batch first, one width for queries, keys and values, no dropout.
        state: ``(B, T, D)``.
        mask: ``(T, T)``, added to the scores, or ``None``.

    """
    batch, tokens, width = state.shape
    packed = F.linear(state, attention.in_proj_weight, attention.in_proj_bias)
    heads = packed.view(batch, tokens, 3, attention.num_heads, width // attention.num_heads)
    query, key, value = heads.permute(2, 0, 3, 1, 4)
    mask = None if mask is None else mask.to(query.dtype)
    mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    projected: Tensor = attention.out_proj(mixed.transpose(1, 2).reshape(batch, tokens, width))
    return projected


def _is_usual(attention: nn.Module) -> bool:
    return (
        isinstance(attention, nn.MultiheadAttention)
        and attention.batch_first
        and attention.in_proj_weight is not None
        and attention.bias_k is None
        and not attention.add_zero_attn
        and not attention.dropout
    )
