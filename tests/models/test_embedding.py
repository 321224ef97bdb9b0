from copy import deepcopy

import numpy as np
import pytest
import torch
from helpers.errors import refused
from PIL import Image
from torch import nn

from clsim.models import EmbeddingClassifier, make_embedding_classifier
from clsim.models.cpu_parallel import CpuDataParallel
from clsim.models.replacement_model import ReplacementModel
from clsim.utils.errors import UserError


class Flat(nn.Module):
    """Pixels times a matrix."""

    def __init__(self, width):
        super().__init__()
        self.num_features = width
        self.linear = nn.Linear(12, width)

    def forward(self, images):
        return self.linear(images.flatten(1))


def images(count=3):
    return torch.rand(count, 3, 2, 2, generator=torch.Generator().manual_seed(0))


def model(**settings):
    torch.manual_seed(0)
    return EmbeddingClassifier(Flat(5), 4, 7, **settings)


def given(turn, shift):
    """Features are the first two pixels of an image; two classes."""
    backbone = Flat(2)
    made = EmbeddingClassifier(backbone, 2, 2, turned=turn is not None)
    with torch.no_grad():
        backbone.linear.weight.copy_(torch.eye(2, 12))
        backbone.linear.bias.zero_()
        made.neck.weight.copy_(torch.eye(2))
        made.classifier.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        if turn is not None:
            made.head[0].weight = torch.tensor(turn)
            made.head[0].bias.copy_(torch.tensor(shift))
    return made


def one_image(first, second):
    pixels = torch.zeros(1, 12)
    pixels[0, :2] = torch.tensor([first, second])
    return pixels.view(1, 3, 2, 2)


@pytest.mark.parametrize("turned", [False, True])
def test_features_are_the_projected_output_of_the_backbone_with_length_one(turned):
    made = model(turned=turned)
    features = made.embed(images())
    assert features.shape == (3, 4)
    torch.testing.assert_close(features.norm(dim=1), torch.ones(3))
    projected = made.backbone(images()) @ made.neck.weight.T
    torch.testing.assert_close(features, projected / projected.square().sum(1, keepdim=True).sqrt())
    assert made.neck.bias is None


def test_features_are_float32_under_autocast():
    made = model(turned=True)
    with torch.autocast("cpu", torch.bfloat16):
        features = made.embed(images())
    assert features.dtype == torch.float32
    torch.testing.assert_close(features.norm(dim=1), torch.ones(3))


def test_without_a_turn_logits_are_the_rows_times_the_features():
    made = given(None, None)
    torch.testing.assert_close(made.embed(one_image(3.0, 4.0)), torch.tensor([[0.6, 0.8]]))
    torch.testing.assert_close(made(one_image(3.0, 4.0)), torch.tensor([[2.2, 5.0]]))
    other = model()
    torch.testing.assert_close(other(images()), other.embed(images()) @ other.classifier.T)
    assert other.classifier.shape == (7, 4)


def test_with_a_turn_the_classifier_sees_the_turned_features():
    made = given([[0.0, -1.0], [1.0, 0.0]], [0.1, 0.2])
    torch.testing.assert_close(made.embed(one_image(3.0, 4.0)), torch.tensor([[0.6, 0.8]]))
    # The turn makes (-0.8, 0.6) of it, the shift (-0.7, 0.8).
    torch.testing.assert_close(made(one_image(3.0, 4.0)), torch.tensor([[0.9, 1.1]]))
    other = model(turned=True)
    turned = other.embed(images()) @ other.head[0].weight.T + other.head[0].bias
    torch.testing.assert_close(other(images()), turned @ other.classifier.T)


def test_what_is_stored_comes_before_the_turn():
    made = model(turned=True)
    before, logits = made.embed(images()), made(images())
    with torch.no_grad():
        made.head[0].parametrizations.weight.original.normal_()
        made.head[0].bias.normal_()
    torch.testing.assert_close(made.embed(images()), before)
    assert not torch.allclose(made(images()), logits)


@pytest.mark.parametrize("turned", [False, True])
def test_features_of_the_last_pass_are_at_hand_with_their_graph(turned):
    made = model(turned=turned)
    assert made.features is None
    made.embed(images())
    assert made.features is None
    logits = made(images())
    torch.testing.assert_close(made.features, made.embed(images()))
    torch.testing.assert_close(made.classify(made.features), logits)
    made.features.square()[:, 0].sum().backward()
    assert made.neck.weight.grad.abs().max() > 0
    made(images(2))
    assert made.features.shape == (2, 4)
    assert deepcopy(made).features is None


def test_without_a_turn_there_is_no_error_of_it():
    assert model().orthogonality_error() is None


def test_the_error_is_the_largest_entry_by_which_the_turn_is_not_orthogonal():
    made = model(turned=True)
    assert made.orthogonality_error() < 1e-6
    nn.utils.parametrize.remove_parametrizations(made.head[0], "weight")
    with torch.no_grad():
        made.head[0].weight.copy_(torch.diag(torch.tensor([1.0, 0.5, -1.0, 1.0])))
    assert made.orthogonality_error() == pytest.approx(0.75)


def test_the_turn_stays_orthogonal_while_it_is_trained():
    made = model(turned=True)
    optimizer = torch.optim.Adam(made.parameters(), lr=0.01)
    labels, before = torch.arange(30) % 7, made.head[0].weight.detach().clone()
    for _ in range(50):
        optimizer.zero_grad()
        nn.functional.cross_entropy(made(images(30)), labels).backward()
        optimizer.step()
        assert made.orthogonality_error() < 1e-5
    turn = made.head[0].weight.detach()
    assert (turn - before).abs().max() > 0.1
    assert (turn @ turn.T - torch.eye(4)).abs().max() < 1e-5
    assert made.head[0].bias.abs().max() > 0.1


def test_the_turn_computes_in_float32_whatever_the_precision_of_the_pass():
    torch.manual_seed(0)
    made = EmbeddingClassifier(Flat(5), 32, 7, turned=True)
    with torch.no_grad():
        made.head[0].parametrizations.weight.original.add_(0.1 * torch.randn(32, 32))
    seen = []
    hook = made.head[-1].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].float()))
    unit = nn.functional.normalize(torch.randn(200, 32), dim=1)
    with torch.no_grad():
        made.head[0].bias.zero_()
        with torch.autocast("cpu", torch.bfloat16):
            made.classify(unit)
        made.classify(unit)
    hook.remove()
    low, exact = seen
    assert low.equal(exact)
    torch.testing.assert_close(low @ low.T, unit @ unit.T, atol=1e-5, rtol=0)


def test_a_copy_turns_as_the_model_does():
    made = model(turned=True)
    made(images())
    again = deepcopy(made)
    torch.testing.assert_close(again(images()), made(images()), rtol=0, atol=0)
    other = EmbeddingClassifier(Flat(5), 4, 7, turned=True)
    other.load_state_dict(made.state_dict())
    torch.testing.assert_close(other(images()), made(images()))


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("width", [5, 9])
def test_what_arrives_keeps_its_own_width_and_the_classifier_starts_over(turned, width):
    made, arriving = model(turned=turned), Flat(width)
    before = made.classifier.detach().clone()
    assert made.replace(ReplacementModel("other", arriving)) is True
    assert made.dimensions == width
    assert made.classifier.shape == (7, width)
    assert made.classifier.requires_grad
    assert before.shape != made.classifier.shape or not torch.equal(made.classifier, before)
    expected = nn.functional.normalize(arriving(images()), dim=1)
    torch.testing.assert_close(made.embed(images()), expected)
    torch.testing.assert_close(made(images()), expected @ made.classifier.T)
    assert made.orthogonality_error() is None
    assert {name for name, _ in made.named_parameters()} == {
        "backbone.linear.weight",
        "backbone.linear.bias",
        "head.0.weight",
    }


def test_lanes_give_the_same_features():
    alone = model(turned=True)
    beside = deepcopy(alone)
    beside.backbone = CpuDataParallel(beside.backbone, 2)
    torch.testing.assert_close(beside(images(6)), alone(images(6)))
    beside.replace(ReplacementModel("wide", Flat(9)))
    assert isinstance(beside.backbone, CpuDataParallel)
    assert beside.embed(images(6)).shape == (6, 9)


def test_turned_features_keep_their_angles_and_the_logits():
    made = model()
    rotation = torch.linalg.qr(torch.randn(4, 4))[0]
    with torch.no_grad():
        features, logits = made.embed(images()), made(images())
        made.turn(rotation)
        torch.testing.assert_close(made.embed(images()), features @ rotation)
        torch.testing.assert_close(made(images()), logits)
    with refused(ValueError, names=("EmbeddingClassifier.turn", "orthogonal")):
        model(turned=True).turn(rotation)


def test_a_model_says_how_orthogonal_its_layer_is():
    assert model().diagnostics() == {}
    made = model(turned=True)
    assert made.diagnostics() == {"orthogonality_error": made.orthogonality_error()}


def test_a_classifier_is_made_from_class_means():
    made, labels = model(), torch.tensor([2, 2, 5])
    before = made.classifier.detach().clone()
    made.fit_classifier(torch.eye(4)[:3], labels)
    half = 0.5**0.5
    torch.testing.assert_close(made.classifier.detach()[2], torch.tensor([half, half, 0.0, 0.0]))
    torch.testing.assert_close(made.classifier.detach()[5], torch.tensor([0.0, 0.0, 1.0, 0.0]))
    assert made.classifier.detach()[[0, 1, 3, 4, 6]].equal(before[[0, 1, 3, 4, 6]])


@pytest.mark.parametrize("turned", [False, True])
def test_without_a_neck_the_backbone_emits_the_features(turned):
    torch.manual_seed(0)
    made = EmbeddingClassifier(Flat(5), 5, 7, turned=turned, neck=False)
    torch.testing.assert_close(made.embed(images()), nn.functional.normalize(made.backbone(images()), dim=1))
    assert not any(name.startswith("neck") for name in made.state_dict())
    with refused(ValueError, names=(5, 4, "neck")):
        EmbeddingClassifier(Flat(5), 4, 7, neck=False)


def test_without_a_neck_a_turn_becomes_a_matrix():
    torch.manual_seed(0)
    made = EmbeddingClassifier(Flat(5), 5, 7, neck=False)
    rotation = torch.linalg.qr(torch.randn(5, 5))[0][:, :3]
    with torch.no_grad():
        features = made.embed(images())
        made.turn(rotation)
        torch.testing.assert_close(made.embed(images()), nn.functional.normalize(features @ rotation, dim=1))
    assert made.dimensions == 3


def test_a_model_by_name_has_the_neck_that_is_asked_for():
    block = make_embedding_classifier("resnet8x2", 12, 7, turned=True, cpu_workers=2)
    assert isinstance(block.neck, nn.Identity)
    assert (block.backbone.num_features, block.dimensions, block.backbone.workers) == (12, 12, 2)
    assert block.orthogonality_error() < 1e-6
    linear = make_embedding_classifier("resnet8x2", 12, 7, neck="linear")
    assert (linear.backbone.num_features, linear.dimensions) == (128, 12)
    assert linear.orthogonality_error() is None
    # As many features as the network emits anyway are no reason to leave out normalization.
    same = make_embedding_classifier("resnet8x2", 128, 7).eval()
    with torch.no_grad():
        assert (same.backbone(torch.rand(4, 3, 32, 32)) < 0).any()
    with refused(UserError, names=("vit_tiny",)):
        make_embedding_classifier("vit_tiny_patch16_224", 12, 7)
    assert make_embedding_classifier("vit_tiny_patch16_224", 12, 7, neck="linear").dimensions == 12


def test_images_are_enlarged_as_the_authors_loader_does():
    """Pillow's bilinear resize, which rounds to integers in both of its passes."""
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    enlarged = Image.fromarray(pixels).resize((224, 224), Image.Resampling.BILINEAR)
    theirs = torch.from_numpy(np.asarray(enlarged, dtype=np.float32)).permute(2, 0, 1) / 255
    images = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    errors = {}
    for kernel in ("bilinear", "bicubic"):
        model = make_embedding_classifier("resnet8x2", 12, 7, image_size=224, interpolation=kernel)
        preprocess = model.backbone.module.preprocess
        errors[kernel] = float((preprocess(images)[0] * preprocess.std[0] + preprocess.mean[0] - theirs).abs().max())
    assert errors["bilinear"] < 1.1 / 255
    assert errors["bicubic"] > 10 / 255
