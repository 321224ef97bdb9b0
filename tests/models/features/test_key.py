from copy import deepcopy

import pytest
import torch
from helpers.features import small_body
from torch import nn

from clsim.models.backbones import Backbone
from clsim.models.features.key import feature_key, versions_of


def key(module, precision="fp32", device="cpu"):
    return feature_key(module, 5, precision=precision, device=torch.device(device))


def backbone(**settings):
    return Backbone(small_body(), 5, **settings)


def test_the_same_network_made_twice_has_one_address():
    assert key(backbone()) == key(backbone())
    assert key(backbone()).name == key(deepcopy(backbone())).name
    assert key(backbone().to(memory_format=torch.channels_last)) == key(backbone())
    assert key(backbone().train()) == key(backbone().eval())


@pytest.mark.parametrize(
    "other",
    [
        {"mean": (0.5, 0.5, 0.5)},
        {"std": (0.5, 0.5, 0.5)},
        {"image_size": 8},
        {"image_size": 8, "interpolation": "bilinear"},
    ],
)
def test_preprocessing_is_part_of_the_address(other):
    assert key(backbone(**other)).name != key(backbone()).name
    assert key(backbone(**other)).weights_sha256 == key(backbone()).weights_sha256


def test_resizes_differ():
    made = [backbone(image_size=8, interpolation=kernel) for kernel in ("bicubic", "bilinear")]
    made[1].preprocess.resize_mode = "squash"
    assert len({key(each).name for each in made}) == 2


def test_weights_precision_and_device_are_part_of_the_address():
    changed = backbone()
    with torch.no_grad():
        changed.body[0].weight[0, 0, 0, 0] += 1e-3
    names = [key(backbone()), key(changed), key(backbone(), "bf16"), key(backbone(), device="cuda")]
    assert len({each.name for each in names}) == 4


def test_layers_and_their_numbers_are_part_of_the_address():
    """The weights of all these are the same."""
    body = small_body()
    other_eps, other_stride = deepcopy(body), deepcopy(body)
    other_eps[1].eps = 1e-3
    other_stride[0].stride = (2, 2)
    other_order = nn.Sequential(body[0], body[1], nn.ReLU(), *body[2:])
    assert len({key(each).architecture for each in (body, other_eps, other_stride, other_order)}) == 4


def test_buffers_outside_of_the_weights_are_part_of_the_address():
    first, second = small_body(), small_body()
    first.register_buffer("table", torch.zeros(3), persistent=False)
    second.register_buffer("table", torch.ones(3), persistent=False)
    assert key(first).weights_sha256 == key(second).weights_sha256
    assert key(first).name != key(second).name


def test_versions_tell_every_change():
    body = small_body()
    before = versions_of(body.parameters())
    assert before == versions_of(body.parameters())
    with torch.no_grad():
        body[0].bias.add_(1)
    changed = versions_of(body.parameters())
    assert changed != before
    body[0].bias.data = torch.zeros(5)
    assert versions_of(body.parameters()) != changed
    body[0].bias = nn.Parameter(torch.zeros(5))
    assert versions_of(body.parameters()) != changed
