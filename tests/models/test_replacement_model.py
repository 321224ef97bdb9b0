from pathlib import Path

import pytest
import timm
import torch
from helpers.errors import refused
from helpers.tiny import save_tiny_clip
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from clsim.models.backbones import make_backbone
from clsim.models.checkpoints import weights_sha256
from clsim.models.clip_tower import ClipImageTower
from clsim.models.replacement_model import (
    ReplacementModel,
    load_clip_tower,
    load_model,
    load_timm_model,
    save_classifier,
)
from clsim.utils.errors import UserError, WeightsMissing

IMAGES = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def backbone(name="resnet8x2", seed=0):
    """Random weights that half precision holds exactly, and running averages that it could not."""
    torch.manual_seed(seed)
    made = make_backbone(name)
    for tensor in made.state_dict().values():
        if tensor.ndim > 1:
            tensor.copy_(tensor.half())
        elif tensor.is_floating_point():
            tensor.copy_(tensor + 1 / 3)
    return made.eval()


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "model.safetensors"


def save(path, head="simplex", top=None, architecture="resnet8x2"):
    made = backbone()
    top = torch.randn(7, 128).half() if top is None else top
    save_classifier(path, made, architecture=architecture, name="v", head=head, top=top)
    return made, top


def test_a_model_of_a_simplex_goes_round(path):
    made, top = save(path)
    found = load_model("v", path)
    assert (found.name, found.width) == ("v", 128)
    assert found.sha256 == weights_sha256(made)
    assert found.projection.dtype == torch.float32
    assert torch.equal(found.projection, top.float())
    with torch.no_grad():
        assert torch.equal(found.backbone.eval()(IMAGES), made(IMAGES))


def test_a_model_whose_last_block_emits_the_features_goes_round(path):
    torch.manual_seed(0)
    made = make_backbone("resnet8x2", dimensions=12).eval()
    top = torch.randn(7, 12).half()
    save_classifier(path, made, architecture="resnet8x2", name="v", head="learnable", top=top, dimensions=12)
    found = load_model("v", path)
    assert found.width == 12
    with torch.no_grad():
        ours, theirs = found.backbone.eval()(IMAGES), made(IMAGES)
    torch.testing.assert_close(ours, theirs, atol=2e-3, rtol=2e-3)  # stored in half precision
    assert (theirs < 0).any()


def test_a_length_of_features_that_is_no_number_is_refused(path):
    save(path)
    with safe_open(path, "pt") as file:
        metadata = {**file.metadata(), "dimensions": "twelve"}
    save_file(load_file(path), path, metadata)
    with refused(UserError, names=("'twelve'",)):
        load_model("v", path)


def test_a_learnt_classifier_stays_in_the_file(path):
    made, top = save(path, "learnable")
    found = load_model("v", path)
    assert found.projection is None
    assert found.sha256 == weights_sha256(made)
    assert torch.equal(load_file(path)["classifier"], top)


def test_matrices_are_kept_in_half_precision_and_the_rest_is_not(path):
    save(path, top=torch.randn(7, 128))
    dtypes = {value.ndim > 1: value.dtype for value in load_file(path).values() if value.is_floating_point()}
    assert dtypes == {True: torch.float16, False: torch.float32}


def test_a_full_disk_leaves_no_half_a_file(path, monkeypatch):
    def full(tensors, path, metadata):
        path.write_bytes(b"half")
        raise SafetensorError("I/O error: No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(OSError, match="No space left"):
        save(path)
    assert not list(path.parent.iterdir())


def test_a_projection_of_another_width_is_refused(path):
    save(path, top=torch.zeros(7, 64))
    with refused(UserError, names=("projection", "v")):
        load_model("v", path)


def test_weights_of_another_architecture_are_refused(path):
    save(path, architecture="resnet8x4")
    with refused(UserError, names=("resnet8x4",)):
        load_model("v", path)
    save(path, architecture="nonsense")
    with refused(UserError, names=("'nonsense'",)):
        load_model("v", path)


@pytest.mark.parametrize("classifier", ["fc", "head", "classifier", "head.fc"])
def test_a_state_dict_comes_without_its_classifier(path, classifier):
    made = backbone()
    top = {f"{classifier}.weight": torch.zeros(5, 128), f"{classifier}.bias": torch.zeros(5)}
    save_file({**made.body.state_dict(), **top}, path)
    found = load_model("v", path, "resnet8x2")
    assert found.sha256 == weights_sha256(made)
    assert found.projection is None


def test_a_state_dict_as_timm_saves_it(tmp_path):
    torch.manual_seed(0)
    model = timm.create_model("test_resnet", num_classes=5).eval()
    torch.save({"state_dict": model.state_dict()}, tmp_path / "model.pt")
    found = load_model("v", tmp_path / "model.pt", "test_resnet").backbone.eval()
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        expected = model.forward_head(model.forward_features(found.preprocess(images)), pre_logits=True)
        torch.testing.assert_close(found(images), expected)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "module._orig_mod.", "backbone.body."])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.filterwarnings("error")
def test_a_state_dict_with_a_prefix_and_a_classifier(tmp_path, prefix, suffix):
    made, path = backbone(), tmp_path / f"model{suffix}"
    state = {f"{prefix}{key}": value.clone() for key, value in made.body.state_dict().items()}
    top = "head" if prefix == "backbone.body." else f"{prefix}fc"
    state |= {f"{top}.weight": torch.zeros(5, 128), f"{top}.bias": torch.zeros(5)}
    save_file(state, path) if suffix == ".safetensors" else torch.save({"state_dict": state, "epoch": 3}, path)
    assert load_model("v", path, "resnet8x2").sha256 == weights_sha256(made)


@pytest.mark.parametrize(
    ("name", "size", "kernel"),
    [("resnet18.tv_in1k", 224, "bilinear"), ("resnet18.a1_in1k", 224, "bicubic"), ("resnet18", None, "bicubic")],
)
@pytest.mark.filterwarnings("error")
def test_a_tag_in_the_name_tells_size_and_kernel(path, name, size, kernel):
    save_file(timm.create_model("resnet18").state_dict(), path)
    found = load_model("v", path, name).backbone.preprocess
    assert (found.image_size, found.interpolation) == (size, kernel)


def test_weights_with_several_normalisations_are_told_of(path):
    save_file(timm.create_model("mobilenetv3_large_100").state_dict(), path)
    with pytest.warns(UserWarning, match="normalized in 3 ways") as told:
        found = load_model("v", path, "mobilenetv3_large_100").backbone.preprocess
    assert "models.v.backbone: mobilenetv3_large_100.ra_in1k" in str(told[0].message)
    assert found.mean.flatten()[0] == pytest.approx(0.485)
    named = load_model("v", path, "mobilenetv3_large_100.miil_in21k_ft_in1k").backbone.preprocess
    assert (named.mean.flatten().tolist(), named.interpolation) == ([0, 0, 0], "bilinear")


def test_weights_without_counters_of_batches(path):
    made = backbone()
    state = {key: value for key, value in made.body.state_dict().items() if not key.endswith("num_batches_tracked")}
    save_file(state, path)
    assert load_model("v", path, "resnet8x2").sha256 == weights_sha256(made)


@pytest.mark.parametrize("form", ["own", "projection", "state dict"])
def test_weights_that_are_not_finite_are_refused(path, form):
    made = backbone()
    name = "stem.0.weight" if form == "state dict" else "backbone.body.stem.0.weight"
    if form == "state dict":
        state, metadata = made.body.state_dict(), None
    else:
        save(path)
        state = load_file(path)
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
        name = "projection" if form == "projection" else name
    state[name].flatten()[3] = float("nan")
    save_file(state, path, metadata)
    with pytest.raises(UserError) as caught:
        load_model("v", path, "resnet8x2")
    assert caught.value.what.removeprefix("body.").startswith(f"{name.removeprefix('backbone.body.')} has 1 of")
    assert caught.value.where == str(path)


def test_the_state_dict_of_a_whole_backbone_fits_as_well(path):
    made = backbone()
    save_file(made.state_dict(), path)
    assert load_model("v", path, "resnet8x2").sha256 == weights_sha256(made)


def test_a_state_dict_needs_the_name_of_its_architecture(path):
    save_file(backbone().body.state_dict(), path)
    with refused(UserError, names=("architecture",)) as caught:
        load_model("v", path)
    assert "models.v.backbone" in caught.value.fix


@pytest.mark.parametrize("change", ["shape", "missing", "surplus"])
def test_a_state_dict_that_does_not_fit_is_refused(path, change):
    state = backbone().body.state_dict()
    key = next(iter(state))
    if change == "shape":
        state[key] = torch.zeros(1, 2)
    elif change == "missing":
        del state[key]
    else:
        state["layers.0.weight"] = torch.zeros(3)
    save_file(state, path)
    with refused(UserError, names=("resnet8x2",)):
        load_model("v", path, "resnet8x2")


def test_a_file_that_is_missing_or_damaged_is_named(path):
    with refused(UserError, names=("no such checkpoint",)) as caught:
        load_model("v", path)
    assert caught.value.fix == "Check models.v.path."
    path.write_bytes(b"half a file")
    with refused(UserError, names=("damaged",)):
        load_model("v", path)


def test_a_clip_gives_its_image_tower(path):
    save_tiny_clip(path)
    for found in (load_model("v", path), load_clip_tower("v", "ViT-B-32", str(path))):
        assert isinstance(found.backbone, ClipImageTower)
        assert (found.projection, found.width) == (None, 12)
        assert found.backbone(torch.rand(2, 3, 8, 8)).shape == (2, 12)
        assert any(parameter.requires_grad for parameter in found.backbone.parameters())


@pytest.mark.parametrize(("model", "width"), [("resnet8x2", 128), ("test_resnet", None)])
def test_random_weights_go_by_the_generator(model, width):
    hashes = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found = load_timm_model("v", model, weights="none")
        hashes.append(found.sha256)
        assert width in (None, found.width)
        with torch.no_grad():
            assert found.backbone.eval()(torch.rand(2, 3, 32, 32)).shape == (2, found.width)
    assert hashes[0] == hashes[1] != hashes[2]


def test_weights_that_cannot_be_fetched_are_missing(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(WeightsMissing, match=r"weights of timm's test_resnet\.r160_in1k are not on") as caught:
        load_timm_model("v", "test_resnet.r160_in1k")
    assert "models.v: {kind: checkpoint" in caught.value.fix


def test_models_that_there_are_not_are_the_users_error():
    with refused(UserError, names=("'nonsense'",)) as caught:
        load_timm_model("v", "nonsense")
    assert type(caught.value) is UserError  # fetching would not help
    with refused(UserError, names=("resnet8x2", "pre-trained")):
        load_timm_model("v", "resnet8x2")
    for weights in ("hub", "none", "registry"):
        with refused(UserError, names=("'nonsense'", "test_resnet")) as caught:
            load_timm_model("v", "test_resnet.nonsense", weights=weights)
        assert type(caught.value) is UserError
        assert "r160_in1k" in caught.value.fix


def test_an_arrival_is_known_by_its_weights():
    one, same, other = (ReplacementModel("v", backbone(seed=seed)) for seed in (0, 0, 1))
    assert one.sha256 == same.sha256 != other.sha256
