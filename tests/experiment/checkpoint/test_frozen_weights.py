import torch
from torch import nn

from clsim.experiment.checkpoint.frozen_weights import FrozenWeights, tensors_sha256


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 3).requires_grad_(False), nn.BatchNorm1d(3), nn.Linear(3, 1))


def test_what_came_frozen_is_left_out():
    model, frozen = network(), FrozenWeights()
    frozen.note(model)
    assert frozen.names(model) == {"0.weight", "0.bias"}
    assert set(frozen.changed(model)) == {name for name in model.state_dict() if not name.startswith("0.")}


def test_what_was_trained_before_it_was_frozen_is_kept():
    model, frozen = network(), FrozenWeights()
    frozen.note(model)
    model[2].requires_grad_(False)
    frozen.note(model)
    assert frozen.names(model) == {"0.weight", "0.bias"}


def test_what_was_written_to_although_frozen_is_kept():
    model, frozen = network(), FrozenWeights()
    frozen.note(model)
    before = frozen.sha256(model)
    with torch.no_grad():
        model[0].weight.mul_(2)
    assert frozen.names(model) == {"0.bias"}
    assert frozen.sha256(model) != before


def test_a_model_that_takes_over_is_noted_and_parts_of_the_old_one_are_remembered():
    model, frozen = network(), FrozenWeights()
    frozen.note(model)
    taken = nn.ModuleList([model.requires_grad_(False), nn.Linear(1, 1).requires_grad_(False)])
    frozen.note(taken)
    assert frozen.names(taken) == {"0.0.weight", "0.0.bias", "1.weight", "1.bias"}


def test_the_hash_tells_values_names_types_and_shapes():
    value = torch.ones(2, 3)
    variants = [("a", value), ("b", value), ("a", value.double()), ("a", value.T), ("a", value * 2)]
    assert len({tensors_sha256([variant]) for variant in variants}) == len(variants)
    assert tensors_sha256([("a", value.bfloat16())]) == tensors_sha256([("a", value.bfloat16().clone())])
