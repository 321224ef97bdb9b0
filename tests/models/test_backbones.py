import pytest
import torch

from clsim.models.backbones import SMALL_RESNETS, make_backbone
from clsim.utils.errors import UserError


@pytest.mark.parametrize("name", SMALL_RESNETS)
@pytest.mark.parametrize("size", [8, 20, 32])
def test_small_networks_take_any_size(name, size):
    backbone = make_backbone(name)
    features = backbone(torch.rand(2, 3, size, size))
    assert features.shape == (2, backbone.num_features)
    assert (features >= 0).all()


def test_resnet20_is_the_one_of_the_paper():
    """0.27 M parameters (He et al. 2015, Table 6), besides the two 1 x 1 projections."""
    backbone = make_backbone("resnet20")
    weights = sum(p.numel() for p in backbone.parameters())
    projections = sum(m.weight.numel() for m in backbone.modules() if getattr(m, "kernel_size", 0) == (1, 1))
    assert projections == 16 * 32 + 32 * 64
    assert round((weights - projections) / 1e6, 2) == 0.27
    assert sum(getattr(m, "kernel_size", 0) == (3, 3) for m in backbone.modules()) == 19


def test_images_are_normalised_inside():
    backbone = make_backbone("resnet8x4").eval()
    seen = []
    backbone.body.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    backbone(torch.full((1, 3, 32, 32), 0.5))
    torch.testing.assert_close(seen[0][0, :, 0, 0], torch.tensor([-0.02622, 0.05078, 0.21377]), atol=1e-4, rtol=0)


def test_a_residual_network_starts_as_its_shortcuts():
    """The last normalisation of a block starts at 0, so each block passes on its shortcut alone."""
    backbone = make_backbone("resnet14x4").eval()
    block = backbone.body.stages[0][1]
    x = torch.rand(1, 64, 4, 4)
    torch.testing.assert_close(block(x.clone()), x)


def gains(network):
    return [module.weight.detach() for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]


@pytest.mark.parametrize(("name", "blocks"), [("resnet14x4", 6), ("resnet18", 8)])
def test_gains_of_last_normalizations_start_at_0_or_as_in_torchvision_at_1(name, blocks):
    started = {}
    for zero_init in (True, False):
        torch.manual_seed(0)
        started[zero_init] = make_backbone(name, zero_init_last=zero_init)
    assert sum(bool((gain == 0).all()) for gain in gains(started[True])) == blocks
    assert all((gain == 1).all() for gain in gains(started[False]))
    convolutions = [name for name, value in started[True].named_parameters() if value.ndim == 4]
    assert all(
        torch.equal(started[True].get_parameter(each), started[False].get_parameter(each)) for each in convolutions
    )


def test_timm_models_by_name():
    backbone = make_backbone("resnet10t")
    assert backbone(torch.rand(2, 3, 32, 32)).shape == (2, backbone.num_features)


def test_a_model_of_fixed_size_gets_its_size():
    backbone = make_backbone("vit_tiny_patch16_224")
    assert backbone(torch.rand(1, 3, 32, 32)).shape == (1, 192)


def test_an_unknown_name_is_the_users_to_mend():
    with pytest.raises(UserError, match="resnet21x") as error:
        make_backbone("resnet21x")
    assert "resnet" in str(error.value.fix)


def test_small_networks_have_no_weights_to_load():
    with pytest.raises(UserError, match="pre-trained"):
        make_backbone("resnet20", pretrained=True)
