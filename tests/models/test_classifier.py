import pytest
import torch
from torch import nn

from clsim.models import LinearClassifier
from clsim.models.cpu_parallel import CpuDataParallel
from clsim.models.replacement_model import ReplacementModel


class Flat(nn.Module):
    """Pixels times a matrix."""

    def __init__(self, width):
        super().__init__()
        self.num_features = width
        self.linear = nn.Linear(12, width)

    def forward(self, images):
        return self.linear(images.flatten(1))


def images():
    return torch.rand(2, 3, 2, 2, generator=torch.Generator().manual_seed(0))


def test_features_are_what_the_backbone_says_and_are_at_hand_after_a_pass():
    model = LinearClassifier(Flat(5), 7)
    expected = model.backbone(images())
    torch.testing.assert_close(model.embed(images()), expected)
    assert model.features is None
    logits = model(images())
    torch.testing.assert_close(model.features, expected)
    torch.testing.assert_close(logits, expected @ model.head.weight.T + model.head.bias)


@pytest.mark.parametrize("bias", [True, False])
def test_a_replacement_starts_the_classifier_over(bias):
    model, arriving = LinearClassifier(Flat(5), 7, bias=bias), Flat(5)
    before = model.head.weight.detach().clone()
    assert model.replace(ReplacementModel("other", arriving, torch.zeros(6, 5))) is True
    torch.testing.assert_close(model.embed(images()), arriving(images()))
    assert not torch.equal(model.head.weight, before)
    assert (model.head.bias is not None) == bias


def test_an_arrival_may_have_another_width():
    model = LinearClassifier(Flat(5), 7)
    model.replace(ReplacementModel("wide", Flat(9)))
    assert model.head.weight.shape == (7, 9)
    assert model(images()).shape == (2, 7)


def test_what_arrived_is_copied_and_trainable():
    model, arriving = LinearClassifier(Flat(5), 7), Flat(5).requires_grad_(False)
    model.replace(ReplacementModel("other", arriving))
    assert all(parameter.requires_grad for parameter in model.parameters())
    with torch.no_grad():
        model.backbone.linear.weight.zero_()
    assert arriving.linear.weight.abs().max() > 0


def test_lanes_stay_where_the_model_is_replaced():
    model = LinearClassifier(CpuDataParallel(Flat(5), 2), 7)
    model.replace(ReplacementModel("wide", Flat(9)))
    assert isinstance(model.backbone, CpuDataParallel)
    assert model.backbone.workers == 2
    assert model.embed(images()).shape == (2, 9)
