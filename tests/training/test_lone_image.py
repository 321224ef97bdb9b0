"""A batch of one image trains: batch normalization takes its running statistics where it sees a single value."""

from functools import partial

import pytest
import torch
from helpers.tiny import tiny_dataset
from torch import nn

import clsim
from clsim.streams import fscil
from clsim.training.lone_image import lone_image


def net():
    torch.manual_seed(0)
    first = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(4)]
    return nn.Sequential(*first, nn.Flatten(), nn.Linear(4, 10))


def test_only_layers_with_one_value_take_their_running_statistics():
    model, image = net(), torch.rand(1, 3, 8, 8)
    model[4].running_mean.copy_(torch.tensor([0.1, 0.2, 0.3, 0.4]))
    model[4].running_var.fill_(0.25)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        model(image)
    model[1].running_mean.zero_()
    with lone_image(model):
        found = model(image)
    pixels = model[0](image)
    own = (pixels - pixels.mean((0, 2, 3), keepdim=True)) / (pixels.var((0, 2, 3), False, keepdim=True) + 1e-5).sqrt()
    pooled = own.relu().mean((2, 3))
    normal = (pooled - torch.tensor([0.1, 0.2, 0.3, 0.4])) / (0.25 + 1e-5) ** 0.5
    assert torch.allclose(found, model[6](normal), atol=1e-5)
    assert (model[1].running_mean != 0).any()  # as always where there are more values
    assert model[4].running_mean.tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert all(module.training for module in model.modules())
    assert not model[4]._forward_pre_hooks


def test_larger_batches_are_what_they_were():
    images, one, other = torch.rand(2, 3, 8, 8), net(), net()
    with lone_image(other):
        found = other(images)
    assert torch.equal(one(images), found)
    assert torch.equal(one[4].running_var, other[4].running_var)


@pytest.mark.parametrize("shots", [1, 3])
@pytest.mark.parametrize("compile", ["auto", "on"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_session_of_one_image_and_a_last_batch_of_one_train(shots, precision, compile, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda model: lambda images: model(images))
    model = net()
    strategy = clsim.Strategy(
        model=model,
        optimizer=partial(torch.optim.SGD, lr=0.1),
        train_mb_size=2,
        precision=precision,
        compile=compile,
    )
    stream = fscil(tiny_dataset(), base_classes=8, ways=1, shots=shots, splits={"draw": 0})
    strategy.train(stream.train_stream[1])
    assert strategy.images_trained == shots
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    assert model[4].training
