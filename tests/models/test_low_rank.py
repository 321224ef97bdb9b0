import hashlib

import pytest
import torch
from helpers.tiny import tiny_clip
from torch import nn

from clsim.models.low_rank import LowRank, add_low_rank


def digest(tensors):
    return hashlib.sha256(b"".join(tensor.detach().numpy().tobytes() for tensor in tensors)).hexdigest()


def outputs(model):
    tokens = tiny_clip().tokenizer(["one", "and another"])
    images = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return model.encode_image(images), model.encode_text(tokens)


def test_the_change_is_the_scaled_product_by_hand():
    change = LowRank(2, 3, rank=1, alpha=4)
    with torch.no_grad():
        change.up.copy_(torch.tensor([[1.0], [2.0]]))
        change.down.copy_(torch.tensor([[3.0, 0.0, -1.0]]))
    expected = torch.tensor([[1.0 + 12, 1.0, 1.0 - 4], [1.0 + 24, 1.0, 1.0 - 8]])
    assert torch.equal(change(torch.ones(2, 3)), expected)


@pytest.mark.parametrize(("alpha", "scale"), [(None, 1.0), (1.0, 0.25), (8.0, 2.0)])
def test_alpha_is_shared_among_the_ranks(alpha, scale):
    change = LowRank(5, 6, rank=4, alpha=alpha)
    nn.init.normal_(change.up)
    expected = scale * sum(torch.outer(change.up[:, r], change.down[r]) for r in range(4))
    torch.testing.assert_close(change(torch.zeros(5, 6)), expected)


@pytest.mark.parametrize("rank", [0, -1])
def test_a_rank_below_one_is_refused(rank):
    with pytest.raises(ValueError, match="at least 1"):
        LowRank(2, 2, rank)
    with pytest.raises(ValueError, match="at least 1"):
        add_low_rank(nn.Linear(2, 2), rank)


def test_nothing_changes_at_first():
    model = tiny_clip().model
    before = outputs(model)
    add_low_rank(model, 2)
    assert all(torch.equal(now, then) for now, then in zip(outputs(model), before, strict=True))


def test_every_matrix_of_both_towers_is_found_and_only_low_rank_numbers_want_gradients():
    model = tiny_clip(layers=3).model.requires_grad_(True)
    matrices = {name for name, value in model.named_parameters() if "resblocks" in name and value.ndim == 2}
    assert len(matrices) == 2 * 3 * 4  # towers, layers: queries with keys and values, output, two of the network
    assert add_low_rank(model, 2) == 24
    wanting = {name for name, value in model.named_parameters() if value.requires_grad}
    expected = set()
    for name in matrices:
        holder, _, own = name.rpartition(".")
        expected |= {f"{holder}.parametrizations.{own}.0.{part}" for part in ("up", "down")}
    assert wanting == expected


def test_the_frozen_originals_stay_as_they_are_while_the_rest_learns():
    model = tiny_clip().model
    before = {name: value.clone() for name, value in model.named_parameters()}
    first = outputs(model)
    add_low_rank(model, 2)
    optimizer = torch.optim.Adam([value for value in model.parameters() if value.requires_grad], lr=0.01)
    tokens = tiny_clip().tokenizer(["one", "and another"])
    for _ in range(3):
        loss = model.encode_image(torch.rand(2, 3, 8, 8)).square().sum() + model.encode_text(tokens).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    frozen = {
        name.replace("parametrizations.", "").removesuffix(".original"): value
        for name, value in model.named_parameters()
        if not value.requires_grad
    }
    assert set(frozen) == set(before)
    assert digest(frozen[name] for name in sorted(before)) == digest(before[name] for name in sorted(before))
    for _, value in model.named_parameters():
        assert not value.requires_grad or value.abs().max() > 0
    assert all((now - then).abs().max() > 1e-4 for now, then in zip(outputs(model), first, strict=True))
