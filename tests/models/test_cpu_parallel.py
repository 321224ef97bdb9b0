from copy import deepcopy

import pytest
import torch
from torch import nn

from clsim.models.backbones import make_backbone
from clsim.models.cpu_parallel import CpuDataParallel


@pytest.fixture(autouse=True)
def threads():
    """CpuDataParallel leave one thread to each operator; other tests keep theirs."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def plain_network():
    """Without batch normalisation, an image does not depend on the others of its lane."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 5))


def test_output_and_gradients_are_those_of_the_module():
    whole = plain_network()
    lanes = CpuDataParallel(deepcopy(whole), 3)
    images, goal = torch.rand(10, 3, 8, 8), torch.rand(10, 5)
    outputs = [network(images) for network in (whole, lanes)]
    torch.testing.assert_close(outputs[1], outputs[0])
    for output in outputs:
        ((output - goal) ** 2).mean().backward()
    for own, expected in zip(lanes.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(own.grad, expected.grad)


def test_lanes_see_what_the_optimiser_changed():
    lanes = CpuDataParallel(plain_network(), 2)
    images = torch.rand(8, 3, 8, 8)
    before = lanes(images)
    with torch.no_grad():
        for parameter in lanes.parameters():
            parameter.mul_(2.0)
    torch.testing.assert_close(lanes(images), lanes.module(images))
    assert not torch.allclose(before, lanes(images))


def test_frozen_parameters_get_no_gradient():
    lanes = CpuDataParallel(plain_network(), 2)
    lanes.module[0].requires_grad_(False)
    lanes(torch.rand(8, 3, 8, 8)).sum().backward()
    assert lanes.module[0].weight.grad is None
    assert lanes.module[3].weight.grad is not None


def test_no_graph_is_made_where_none_is_wanted():
    lanes = CpuDataParallel(plain_network(), 2)
    with torch.no_grad():
        assert not lanes(torch.rand(8, 3, 8, 8)).requires_grad
    lanes.requires_grad_(False)
    assert not lanes(torch.rand(8, 3, 8, 8)).requires_grad


def test_running_averages_are_those_of_the_first_lane_and_all_lanes_evaluate_with_them():
    torch.manual_seed(0)
    lanes = CpuDataParallel(make_backbone("resnet8x4"), 2)
    alone = deepcopy(lanes.module)
    images = torch.rand(8, 3, 16, 16)
    lanes(images)
    alone(images[:4])
    for own, expected in zip(lanes.buffers(), alone.buffers(), strict=True):
        torch.testing.assert_close(own, expected)
    lanes.eval()
    alone.eval()
    torch.testing.assert_close(lanes(images), alone(images))


def test_autocast_reaches_the_lanes():
    lanes = CpuDataParallel(plain_network(), 2)
    with torch.autocast("cpu", torch.bfloat16):
        assert lanes(torch.rand(8, 3, 8, 8)).dtype == torch.bfloat16


def test_the_same_seed_gives_the_same_bytes():
    def train():
        torch.manual_seed(0)
        lanes = CpuDataParallel(make_backbone("resnet8x4"), 2)
        optimiser = torch.optim.SGD(lanes.parameters(), lr=0.1)
        for _ in range(3):
            optimiser.zero_grad()
            lanes(torch.rand(8, 3, 16, 16)).square().mean().backward()
            optimiser.step()
        return lanes.state_dict()

    first, second = train(), train()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_checkpoint_holds_the_module_once_and_a_copy_has_its_own_lanes():
    lanes = CpuDataParallel(plain_network(), 2)
    lanes(torch.rand(8, 3, 8, 8))
    assert set(lanes.state_dict()) == {f"module.{name}" for name in lanes.module.state_dict()}
    copy = deepcopy(lanes)
    with torch.no_grad():
        copy.module[3].bias.add_(1.0)
    images = torch.rand(8, 3, 8, 8)
    torch.testing.assert_close(copy(images), lanes(images) + 1.0)


def test_an_error_in_a_lane_is_raised():
    with pytest.raises(RuntimeError):
        CpuDataParallel(plain_network(), 2)(torch.rand(8, 5, 8, 8))
