import torch
from helpers.tiny import tiny_dataset
from torch import nn

from clsim.plugins.freeze_after_base import FreezeAfterBase
from clsim.streams import fscil
from clsim.training import Strategy


def test_the_part_learns_in_the_base_session_and_then_stays_bit_for_bit():
    torch.manual_seed(0)
    stream = fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})
    part = nn.Sequential(nn.Flatten(), nn.Linear(192, 16), nn.BatchNorm1d(16))
    head = nn.Linear(16, 10)
    strategy = Strategy(
        model=nn.Sequential(part, head),
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1),
        train_mb_size=10,
        plugins=[FreezeAfterBase(part)],
    )
    states = [_copy(part)]
    heads = []
    for session in stream.train_stream:
        strategy.train(session, eval_streams=[])
        states.append(_copy(part))
        heads.append(head.weight.detach().clone())
    assert not _same(states[0], states[1])
    assert all(_same(states[1], later) for later in states[2:])
    assert not torch.equal(heads[0], heads[1])
    assert sum(len(group["params"]) for group in strategy.optimizer.param_groups) == 2


def _copy(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def _same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)
