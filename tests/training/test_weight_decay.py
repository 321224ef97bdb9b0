import pytest
import torch
from torch import nn

from clsim.training.weight_decay import decayed_sgd


@pytest.mark.parametrize("decayed", ["all", "matrices"])
def test_a_step_is_that_of_a_plain_loop(decayed):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))
    optimizer = decayed_sgd(network.parameters(), lr=0.1, momentum=0.9, weight_decay=0.5, weight_decay_on=decayed)
    expected = {name: (value.detach().clone(), torch.zeros_like(value)) for name, value in network.named_parameters()}
    for _ in range(3):
        for name, value in network.named_parameters():
            value.grad = torch.randn_like(value)
            before, momentum = expected[name]
            decay = 0.5 if decayed == "all" or name in ("0.weight", "3.weight") else 0.0
            momentum = 0.9 * momentum + value.grad + decay * before
            expected[name] = (before - 0.1 * momentum, momentum)
        optimizer.step()
    for name, value in network.named_parameters():
        torch.testing.assert_close(value.detach(), expected[name][0])


def test_gains_alone_make_one_group():
    (group,) = decayed_sgd(
        nn.BatchNorm2d(4).parameters(), lr=0.1, weight_decay=0.5, weight_decay_on="matrices"
    ).param_groups
    assert (group["weight_decay"], len(group["params"])) == (0.0, 2)
