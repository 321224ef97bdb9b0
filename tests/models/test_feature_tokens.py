import torch
from open_clip.model import CLIP

from clsim.models.feature_tokens import FeatureTokens, build_clip
from clsim.models.frozen_backbone import FrozenBackbone
from clsim.models.towers import read_image, towers

ARCHITECTURE = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "width": 16, "layers": 1, "head_width": 8},
    "text_cfg": {"context_length": 8, "vocab_size": 32, "width": 16, "heads": 2, "layers": 1},
}


def test_every_token_is_a_linear_map_of_the_standardized_features():
    layer, features = FeatureTokens(6, width=4, tokens=3), torch.rand(50, 6) * 7 + 2
    layer.standardize(features)
    tokens = layer(features)
    standard = (features - features.mean(0)) / features.std(0)
    for width in range(4):
        for token in range(3):
            row = width * 3 + token
            expected = standard @ layer.linear.weight[row] + layer.linear.bias[row]
            assert torch.allclose(tokens[:, width, token], expected, atol=1e-5)


def test_a_constant_feature_is_not_blown_up():
    layer = FeatureTokens(2, width=4, tokens=1)
    layer.standardize(torch.tensor([[1.0, 0.0], [1.0, 4.0]]))
    assert layer(torch.tensor([[1.0, 2.0], [1.001, 2.0]])).std(dim=0).max() < 0.1


def test_images_and_their_features_give_the_same_tokens():
    body = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 6))
    body.num_features = 6
    layer = FeatureTokens(6, width=4, tokens=3, backbone=FrozenBackbone(body))
    images = torch.rand(2, 3, 4, 4)
    assert torch.equal(layer(images), layer(layer.backbone(images)))


def test_one_token_for_each_place_of_the_grid_and_the_rest_is_open_clips_own():
    clip, plain = build_clip(ARCHITECTURE, features=6), CLIP(**ARCHITECTURE)
    rows = torch.rand(2, 6)
    assert clip.visual.conv1(rows).shape == (2, 16, 4)
    kept = {name for name in clip.state_dict() if ".conv1." not in name}
    assert kept == {name for name in plain.state_dict() if ".conv1." not in name}
    ours = read_image(towers(clip)[1], rows)
    assert torch.allclose(ours, clip.visual(rows), atol=1e-5)


def test_without_features_it_is_open_clips_model():
    assert build_clip(ARCHITECTURE).state_dict().keys() == CLIP(**ARCHITECTURE).state_dict().keys()
