import copy

import pytest
import torch
from helpers.errors import refused
from torch import nn

from clsim.models import EmbeddingClassifier, FrozenBackbone, FrozenClassifier, LinearClassifier, StationaryClassifier
from clsim.models.protocols import AcceptsFeatures, Embedder, FeatureModel, Replaceable, frozen_backbone
from clsim.models.replacement_model import ReplacementModel
from clsim.utils.errors import ArgumentError


def body(width=5, seed=0):
    """A convolution with batch normalization: evaluation and training mode differ."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    made[1].running_mean.fill_(0.3)
    made.num_features = width
    return made


def images(count=4):
    return torch.rand(count, 3, 6, 6, generator=torch.Generator().manual_seed(0))


CLASSIFIERS = {
    "frozen": lambda backbone: FrozenClassifier(backbone, nn.Linear(5, 3)),
    "linear": lambda backbone: LinearClassifier(backbone, 3),
    "stationary": lambda backbone: StationaryClassifier(backbone, 4),
    "neck": lambda backbone: EmbeddingClassifier(backbone, dimensions=2, classes=3),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_features_in_place_of_images_give_the_same(name):
    model = CLASSIFIERS[name](FrozenBackbone(body())).train()
    rows = body().eval()(images())
    torch.testing.assert_close(model.backbone(images()), rows)
    rows = model.backbone(images())
    for given, expected in zip(model.outputs(rows), model.outputs(images()), strict=True):
        assert torch.equal(given, expected)
    assert torch.equal(model.embed(rows), model.embed(images()))
    assert torch.equal(model(rows), model(images()))


def test_training_the_head_leaves_the_backbone_alone():
    model = FrozenClassifier(body(), nn.Linear(5, 3)).train()
    before = copy.deepcopy(model.backbone.state_dict())
    assert model.training and model.head.training and not model.backbone.module.training
    assert {name for name, value in model.named_parameters() if value.requires_grad} == {"head.weight", "head.bias"}
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    weight = model.head.weight.detach().clone()
    model(images()).sum().backward()
    optimizer.step()
    assert not torch.equal(weight, model.head.weight)
    after = model.backbone.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_features_are_float32_whatever_the_precision_of_the_pass():
    backbone = FrozenBackbone(body())
    with torch.autocast("cpu", torch.bfloat16):
        assert backbone(images()).dtype == torch.float32


@pytest.mark.parametrize("batch", [torch.zeros(2, 4), torch.zeros(2, 5, dtype=torch.uint8), torch.zeros(5)])
def test_other_batches_are_refused(batch):
    with refused(ArgumentError, names=["features (B, 5)", list(batch.shape)]):
        FrozenBackbone(body())(batch)


def test_protocols():
    model = FrozenClassifier(body(), nn.Identity())
    assert isinstance(model, (AcceptsFeatures, Embedder, FeatureModel, Replaceable))
    assert frozen_backbone(model) is model.backbone
    assert FrozenClassifier(model.backbone, nn.Identity()).backbone is model.backbone
    assert frozen_backbone(LinearClassifier(body(), 3)) is None
    assert frozen_backbone(body()) is None


def test_a_replacement_of_a_frozen_backbone_is_frozen():
    model = LinearClassifier(FrozenBackbone(body()), 3)
    assert model.replace(ReplacementModel("other", body(7, seed=1))) is True
    assert frozen_backbone(model).num_features == 7
    assert not any(parameter.requires_grad for parameter in model.backbone.parameters())
    torch.testing.assert_close(model.embed(images()), body(7, seed=1).eval()(images()))


def test_a_head_of_any_kind_refuses_a_replacement():
    with refused(ArgumentError, names=["FrozenClassifier", "other"]):
        FrozenClassifier(body(), nn.Identity()).replace(ReplacementModel("other", body()))
