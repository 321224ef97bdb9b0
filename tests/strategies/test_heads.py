"""Strategies with a head on a frozen backbone: whole streams of both kinds, and sessions taken up again."""

import copy

import pytest
import torch
from helpers.tiny import save_tiny_clip, tiny_dataset
from torch import nn

from clsim.config.discovery import find_strategy
from clsim.config.user_code import load_strategy
from clsim.metrics.class_accuracy import ClassAccuracy
from clsim.models import FrozenBackbone
from clsim.streams import fscil, incremental

SETTINGS = {
    "ncm": {},
    "teen": {},
    "fecam": {"rank": 4},
    "ranpac": {"dimensions": 64, "draws": 20, "rank": 4},
    "joint": {"balanced": True},
    "tip_adapter": {"template": "[].", "shots": 5},
    "bimc": {"template": "[].", "first_opinion": 0.6},
}
STREAMS = {
    "fscil": lambda: fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0}),
    "incremental": lambda: incremental(tiny_dataset(), base_classes=6, ways=2),
}


class Pixels(nn.Module):
    """The red channel, in which the class of a tiny image is bright."""

    num_features = 64

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, 0].flatten(1)


def composed(name, stream, folder):
    if name in ("tip_adapter", "bimc"):
        path = folder / "tiny.safetensors"
        given = {"pretrained": str(path) if path.exists() else save_tiny_clip(path)}
    else:
        given = {"backbone": FrozenBackbone(Pixels())}
    torch.manual_seed(0)
    return load_strategy(find_strategy(name))(stream, **given, **SETTINGS[name])


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("name", SETTINGS)
def test_it_learns_a_whole_stream(name, kind, tmp_path):
    stream = STREAMS[kind]()
    strategy = composed(name, stream, tmp_path)
    metric = ClassAccuracy(10)
    strategy.evaluator.metrics.append(metric)
    for session in stream.train_stream:
        strategy.train(session, eval_streams=[])
        strategy.eval(stream.test_stream)
    accuracies = metric.counts.accuracy_by_block(stream.class_blocks)
    # The tiny CLIP has random weights, the pixels tell the classes.
    lowest = 0.1 if name in ("tip_adapter", "bimc") else 0.8
    assert sum(accuracies) / len(accuracies) > lowest
    assert all(not parameter.requires_grad for parameter in strategy.model.parameters())


@pytest.mark.parametrize("name", SETTINGS)
def test_a_strategy_restored_between_sessions_ends_the_same(name, tmp_path):
    stream = STREAMS["fscil"]()
    first, second = (composed(name, stream, tmp_path) for _ in range(2))
    for session in stream.train_stream[:2]:
        first.train(session, eval_streams=[])
    second.model.load_state_dict(first.model.state_dict())
    states = [plugin.state_dict() for plugin in first.plugins if hasattr(plugin, "indices")]
    for plugin, state in zip([plugin for plugin in second.plugins if hasattr(plugin, "indices")], states, strict=True):
        plugin.load_state_dict(copy.deepcopy(state))
    for strategy in (first, second):
        torch.manual_seed(7)
        strategy.train(stream.train_stream[2], eval_streams=[])
    images = tiny_dataset().test.pixels.float() / 255
    assert torch.equal(first.model.eval()(images), second.model.eval()(images))
