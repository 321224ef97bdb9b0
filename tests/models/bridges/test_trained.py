"""Training keeps the best epoch and stops when it waits in vain."""

import pytest
import torch
from helpers.paired_rows import normal
from torch import nn

from clsim.models.bridges.trained import Plan, train


def squared(network, x, y):
    return (network(x) - y).square().mean()


def test_the_start_is_kept_if_training_makes_it_worse():
    rows = normal(64, 3).float()
    network = nn.Linear(3, 3, bias=False)
    with torch.no_grad():
        network.weight.copy_(torch.eye(3))
    found = train(network, squared, (rows, -rows), (rows, rows), Plan(epochs=5, batch_size=16, learning_rate=0.1))
    assert found == 0
    assert torch.equal(network.weight, torch.eye(3))


def test_stops_after_its_patience():
    seen = []

    def counted(network, x, y):
        if network.training:
            seen.append(len(x))
        return squared(network, x, y)

    rows = normal(64, 3).float()
    network = nn.Linear(3, 3)
    with torch.no_grad():
        network.weight.copy_(torch.eye(3))
        network.bias.zero_()
    train(network, counted, (rows, -rows), (rows, rows), Plan(epochs=50, batch_size=64, learning_rate=0.1, patience=4))
    assert seen == [64] * 4


def test_statistics_are_fixed_in_the_second_half():
    modes = []

    def watched(network, x, y):
        if x.shape[0] == 16:
            modes.append(network.training)
        return squared(network, x, y)

    rows = normal(16, 3).float()
    network = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    plan = Plan(epochs=4, batch_size=16, learning_rate=0.01, patience=9, freeze_statistics=0.5)
    train(network, watched, (rows, rows), (rows[:8], rows[:8]), plan)
    assert modes == [True, True, False, False]


@pytest.mark.parametrize(("epoch", "rate"), [(0, 0.1), (4, 0.5), (5, 0.5), (80, 0.0)])
def test_the_rate_rises_and_falls(epoch, rate):
    plan = Plan(epochs=80, batch_size=1, learning_rate=0.5, warmup=5)
    assert plan.rate(epoch) == pytest.approx(rate)
