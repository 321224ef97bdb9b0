"""The last block of a residual network that emits features of a chosen length, against the equations by hand."""

import pytest
import timm
import torch
from torch.nn import functional as F

from clsim.models.backbones import make_backbone
from clsim.models.neck import shape_features
from clsim.utils.errors import UserError


def normalized(x, norm):
    """Batch normalization of a batch by its own moments, written out."""
    mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
    gain, shift = (each.detach().view(1, -1, 1, 1) for each in (norm.weight, norm.bias))
    return gain * (x - mean) / (variance + norm.eps).sqrt() + shift


def scrambled(body):
    """Gains and shifts that are all different, so that none can be left out unnoticed."""
    torch.manual_seed(3)
    with torch.no_grad():
        for module in body.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.5, 0.5)
    return body


def last_input(body, block, images):
    """What comes into the block, and what the whole network makes of the images, in training mode."""
    seen = []
    hook = block.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach().clone()))
    with torch.no_grad():
        features = body.train()(images)
    hook.remove()
    return seen[0], features


def test_the_last_bottleneck_of_a_resnet_50_emits_the_features_as_published():
    torch.manual_seed(0)
    body = scrambled(make_backbone("resnet50", dimensions=128).body)
    block = body.layer4[-1]
    x, features = last_input(body, block, torch.randn(4, 3, 64, 64))
    y = F.conv2d(x, block.conv1.weight).detach()
    y = normalized(y, block.bn1).relu()
    y = normalized(F.conv2d(y, block.conv2.weight, padding=1).detach(), block.bn2).relu()
    y = normalized(F.conv2d(y, block.conv3.weight).detach(), block.bn3)
    projection, norm = block.downsample
    shortcut = normalized(F.conv2d(x, projection.weight).detach(), norm)
    expected = (y + shortcut).mean((2, 3))
    assert expected.shape == (4, 128)
    assert (expected < 0).any()
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("dimensions", "weights"), [(128, 22_783_552), (160, 22_865_600)])
def test_a_resnet_50_has_the_weights_of_the_published_one(dimensions, weights):
    """Counted layer by layer from the architecture's table; 23,508,032 with the usual last block."""
    count, width = 64 * 3 * 49 + 2 * 64, 64
    for planes, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for index in range(blocks):
            last = planes == 512 and index == 2
            out = dimensions if last else 4 * planes
            count += width * planes + 9 * planes * planes + planes * out + 2 * (planes + planes + out)
            if index == 0 or last:
                count += width * out + 2 * out
            width = out
    assert count == weights
    body = make_backbone("resnet50", dimensions=dimensions).body
    assert sum(parameter.numel() for parameter in body.parameters()) == count
    usual = timm.create_model("resnet50", num_classes=0)
    assert sum(parameter.numel() for parameter in usual.parameters()) == 23_508_032


@pytest.mark.parametrize(("name", "blocks"), [("resnet8x2", 1), ("resnet14x4", 2), ("resnet20", 3)])
@pytest.mark.parametrize("dimensions", [5, 128])
def test_the_last_basic_block_of_a_small_network_does_the_same(name, blocks, dimensions):
    torch.manual_seed(0)
    body = scrambled(make_backbone(name, dimensions=dimensions).body)
    block = body.stages[-1][-1]
    assert len(body.stages[-1]) == blocks
    x, features = last_input(body, block, torch.randn(6, 3, 32, 32))
    stride = 2 if blocks == 1 else 1
    y = F.conv2d(x, block.conv1.weight, stride=stride, padding=1).detach()
    y = normalized(y, block.bn1).relu()
    y = normalized(F.conv2d(y, block.conv2.weight, padding=1).detach(), block.bn2)
    *_, projection, norm = block.downsample
    # The shortcut of these networks halves the resolution by a mean over four pixels.
    halved = F.avg_pool2d(x, 2) if stride == 2 else x
    expected = (y + normalized(F.conv2d(halved, projection.weight).detach(), norm)).mean((2, 3))
    assert expected.shape == (6, dimensions)
    assert (expected < 0).any()
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-4)


def test_both_branches_start_with_gain_one_whatever_the_other_blocks_do():
    for zero_init in (True, False):
        first, _, (last,) = make_backbone("resnet8x2", dimensions=7, zero_init_last=zero_init).body.stages
        assert first[0].bn2.weight.unique().tolist() == [0.0 if zero_init else 1.0]
        assert last.bn2.weight.unique().tolist() == last.downsample[-1].weight.unique().tolist() == [1.0]


def test_a_shortcut_that_changes_nothing_stays():
    body = timm.create_model("resnet26", num_classes=0)
    block = body.layer4[-1]
    shape_features(block, 2048)
    assert block.downsample is None
    with torch.no_grad():
        assert (body(torch.randn(2, 3, 64, 64)) < 0).any()  # no ReLU follows either


def test_backbone_and_network_say_how_long_the_features_are():
    for name in ("resnet8x4", "resnet18"):
        backbone = make_backbone(name, dimensions=12)
        assert backbone.num_features == backbone.body.num_features == 12
        assert backbone(torch.rand(2, 3, 32, 32)).shape == (2, 12)


def test_without_a_length_nothing_changes():
    assert make_backbone("resnet8x2").num_features == 128
    assert (make_backbone("resnet8x2")(torch.rand(2, 3, 32, 32)) >= 0).all()


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "seresnet18", "convnext_atto"])
def test_a_network_without_such_a_block_is_refused(name):
    with pytest.raises(UserError, match=name) as error:
        make_backbone(name, dimensions=12)
    assert "neck: linear" in str(error.value.fix)
