"""The fused block gives what open_clip's own gives, values and gradients."""

import pytest
import torch
from open_clip.transformer import CustomResidualAttentionBlock, QuickGELU, ResidualAttentionBlock
from torch import nn

from clsim.models.attention import residual_block, self_attention
from clsim.models.low_rank import add_low_rank
from clsim.models.towers import causal_mask


def usual(**settings) -> ResidualAttentionBlock:
    torch.manual_seed(0)
    block = ResidualAttentionBlock(32, 4, **settings)
    nn.init.normal_(block.attn.in_proj_bias)  # zeros when made: nobody would miss them
    nn.init.normal_(block.attn.out_proj.bias)
    return block


@pytest.mark.parametrize("masked", [False, True], ids=["patches", "words"])
@pytest.mark.parametrize("settings", [{}, {"act_layer": QuickGELU}, {"ls_init_value": 0.3}], ids=str)
def test_equals_the_blocks_own_pass_and_gradient(settings, masked):
    block = usual(**settings)
    mask = causal_mask(7, torch.device("cpu")) if masked else None
    results = []
    for run in (lambda x: block(x, attn_mask=mask), lambda x: residual_block(block, x, mask)):
        state = torch.randn(3, 7, 32, generator=torch.Generator().manual_seed(1), requires_grad=True)
        block.zero_grad()
        output = run(state)
        output.square().sum().backward()
        results.append([output, state.grad, *(parameter.grad for parameter in block.parameters())])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("hooked", [False, True], ids=["fused", "called"])
@pytest.mark.parametrize("masked", [False, True], ids=["patches", "words"])
def test_one_token_read_off_is_the_whole_passs_token(masked, hooked):
    block = usual()
    if hooked:
        block.register_forward_hook(lambda module, given, output: None)
    mask = causal_mask(7, torch.device("cpu")) if masked else None
    read = torch.tensor([0, 6, 3])
    results = []
    for tokens in (lambda x: residual_block(block, x, mask, read), lambda x: block(x, attn_mask=mask)[range(3), read]):
        state = torch.randn(3, 7, 32, generator=torch.Generator().manual_seed(1), requires_grad=True)
        output = tokens(state)
        output.square().sum().backward()
        results.append((output, state.grad))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-4)


def test_attention_written_out():
    attention = usual().attn
    state = torch.randn(2, 5, 32)
    query, key, value = (
        (state @ weight.T + bias).view(2, 5, 4, 8).transpose(1, 2)
        for weight, bias in zip(attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3), strict=True)
    )
    weights = (query @ key.transpose(-1, -2) / 8**0.5).softmax(dim=-1)
    expected = attention.out_proj((weights @ value).transpose(1, 2).reshape(2, 5, 32))
    torch.testing.assert_close(self_attention(attention, state), expected, rtol=1e-5, atol=1e-5)


def test_low_rank_changes_of_the_weights_are_seen():
    torch.manual_seed(0)
    tower = nn.Sequential(usual())
    add_low_rank(tower, 2)
    for name, parameter in tower.named_parameters():
        if parameter.requires_grad and "parametrizations" in name:
            nn.init.normal_(parameter, std=0.1)
    state = torch.randn(2, 5, 32)
    torch.testing.assert_close(residual_block(tower[0], state), tower[0](state), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "block",
    [
        lambda: CustomResidualAttentionBlock(32, 4),
        lambda: usual(is_cross_attention=True),
        lambda: usual(batch_first=False),
    ],
    ids=["attention of its own", "cross attention", "batch second"],
)
def test_a_block_of_another_kind_is_called(block):
    torch.manual_seed(0)
    made = block()
    state = torch.randn(4, 4, 32)
    torch.testing.assert_close(residual_block(made, state), made(state))


def test_no_gradient_is_computed_for_frozen_weights():
    block = usual().requires_grad_(False)
    state = torch.randn(2, 5, 32, requires_grad=True)
    residual_block(block, state).sum().backward()
    assert state.grad is not None
    assert all(parameter.grad is None for parameter in block.parameters())


def test_bfloat16_follows_autocast():
    block = usual()
    state = torch.randn(2, 5, 32)
    with torch.autocast("cpu", torch.bfloat16):
        low = residual_block(block, state, causal_mask(5, torch.device("cpu")))
    exact = residual_block(block, state, causal_mask(5, torch.device("cpu")))
    torch.testing.assert_close(low.float(), exact, rtol=0.05, atol=0.1)


def test_a_hook_on_the_block_is_called():
    block, heard = usual(), []
    block.register_forward_pre_hook(lambda module, given: heard.append(given[0].shape))
    residual_block(block, torch.randn(2, 5, 32))
    assert heard == [(2, 5, 32)]
