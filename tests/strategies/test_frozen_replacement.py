"""Strategies of a stream with replacements, on frozen backbones."""

from __future__ import annotations

import pytest
import torch
from helpers.errors import refused
from helpers.tiny import tiny_dataset

from clsim.config.discovery import find_strategy
from clsim.config.user_code import load_strategy
from clsim.models import FrozenBackbone, freeze, make_backbone
from clsim.models.replacement_model import ReplacementModel
from clsim.streams import Replacement, fscil, incremental, replacement
from clsim.utils.errors import UserError

SMALL = {"epochs": 1, "batch_size": 20, "crop_padding": 0, "lr": 0.1}


def backbone(seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    return make_backbone("resnet8x2").eval()


@pytest.fixture
def arrival() -> ReplacementModel:
    return ReplacementModel("newer", backbone(2))


def build(name, stream, **settings):
    torch.manual_seed(0)
    extra = {"vertices": 16} if name == "stationary" else {}
    return load_strategy(find_strategy(name))(stream, **SMALL, **extra, **settings)


@pytest.mark.parametrize("name", ["stationary", "replay"])
@pytest.mark.parametrize("moment", [{"session": 1}, {"session": 1, "after_iterations": 1}])
def test_only_the_head_is_trained_and_replacements_stay_frozen(name, moment, arrival):
    first = freeze(backbone(1))
    before = {key: value.clone() for key, value in first.state_dict().items()}
    plain = {"base_classes": 4, "ways": 3}
    stream = replacement(tiny_dataset(), **plain, replacements=[Replacement(arrival, **moment)])
    strategy = build(name, stream, frozen=first)
    assert strategy.model.backbone is first
    head = [parameter.clone() for parameter in strategy.model.head.parameters()]
    strategy.train(stream.train_stream[0], eval_streams=[])
    assert all(torch.equal(value, before[key]) for key, value in first.state_dict().items())
    assert not all(torch.equal(a, b) for a, b in zip(head, strategy.model.head.parameters(), strict=True))
    strategy.train(stream.train_stream[1], eval_streams=[])
    second = strategy.model.backbone
    assert isinstance(second, FrozenBackbone)
    assert second is not first
    assert not any(parameter.requires_grad for parameter in second.parameters())
    arrived = arrival.backbone.state_dict()
    assert all(torch.equal(value, arrived[key]) for key, value in second.module.state_dict().items())


def test_a_few_shot_stream_trains_its_backbone():
    stream = fscil(tiny_dataset(), base_classes=4, ways=3, shots=2, splits={"draw": 1})
    with refused(UserError, names=("few-shot", "frozen")):
        build("stationary", stream, frozen=freeze(backbone(1)))


@pytest.mark.parametrize("name", ["stationary", "replay"])
def test_without_it_the_whole_network_is_trained(name):
    strategy = build(name, incremental(tiny_dataset(), base_classes=4, ways=3), backbone="resnet8x2", cpu_workers=1)
    assert not isinstance(strategy.model.backbone, FrozenBackbone)
    assert all(parameter.requires_grad for parameter in strategy.model.backbone.parameters())
