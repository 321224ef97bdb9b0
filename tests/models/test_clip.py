import json

import open_clip
import pytest
import torch
from open_clip.model import CLIP
from safetensors.torch import save_file
from torch.nn import functional as F

from clsim.errors import UserError, WeightsMissing
from clsim.models.clip import encode_texts, load_clip, save_clip
from clsim.models.tokenizer import CompactTokenizer

ARCHITECTURE = {
    "embed_dim": 16,
    "quick_gelu": False,
    "vision_cfg": {"image_size": 16, "patch_size": 8, "width": 32, "layers": 2, "head_width": 16},
    "text_cfg": {"context_length": 12, "vocab_size": 520, "width": 32, "heads": 2, "layers": 2},
}
TINY = "tiny-test-clip"


@pytest.fixture(scope="module")
def tokenizer():
    return CompactTokenizer(["red</w>", "dog</w>", "a</w>x", "of</w>", "photo</w>", "cat</w>"], 12)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return CLIP(**ARCHITECTURE).eval()


@pytest.fixture
def saved(tmp_path, model, tokenizer):
    path = tmp_path / "tiny.safetensors"
    save_clip(
        path,
        model,
        tokenizer,
        architecture=ARCHITECTURE,
        mean=(0.1, 0.2, 0.3),
        std=(0.4, 0.5, 0.6),
        name="tiny",
        dtype=torch.float32,
    )
    return path


@pytest.fixture
def backbone(tmp_path_factory):
    """An open_clip architecture small enough to test with."""
    config = tmp_path_factory.mktemp("configs") / f"{TINY}.json"
    config.write_text(json.dumps(ARCHITECTURE))
    open_clip.add_model_config(config)
    yield TINY
    open_clip.factory._MODEL_CONFIGS.pop(TINY)
    open_clip.factory._MODEL_CONFIG_PATHS.remove(config)


@torch.no_grad()
def same_features(one, other):
    images = torch.rand(2, 3, 16, 16)
    return torch.allclose(one.encode_image(images), other.encode_image(images), atol=1e-5)


def test_our_own_file_brings_back_model_words_and_normalisation(saved, model, tokenizer):
    loaded = load_clip("whatever", saved)
    assert (loaded.mean, loaded.std, loaded.image_size, loaded.name) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), 16, "tiny")
    texts = ["a red dog", "unknown words"]
    assert torch.equal(loaded.tokenizer(texts), tokenizer(texts))
    assert same_features(loaded.model, model)
    assert not any(p.requires_grad for p in loaded.model.parameters())
    assert not loaded.model.training


def test_half_precision_on_disk_single_in_memory(tmp_path, saved, model, tokenizer):
    half = tmp_path / "half.safetensors"
    save_clip(half, model, tokenizer, architecture=ARCHITECTURE, mean=(0,) * 3, std=(1,) * 3, name="half")
    assert half.stat().st_size < 0.6 * saved.stat().st_size
    loaded = load_clip("", half)
    assert {p.dtype for p in loaded.model.parameters()} == {torch.float32}
    assert torch.allclose(loaded.model.visual.proj, model.visual.proj, atol=1e-3)


def test_the_hash_names_the_weights_not_the_file(saved, tmp_path, model, backbone):
    plain = tmp_path / "plain.safetensors"
    save_file(model.state_dict(), plain)
    assert load_clip(backbone, plain).sha256 == load_clip("", saved).sha256
    with torch.no_grad():
        changed = {key: value.clone() for key, value in model.state_dict().items()}
        changed["logit_scale"] += 1e-3
    save_file(changed, plain)
    assert load_clip(backbone, plain).sha256 != load_clip("", saved).sha256


@pytest.mark.parametrize("wrapped", [False, True])
def test_plain_checkpoints_safe_and_pickled(tmp_path, model, backbone, wrapped):
    state = {f"module.{key}": value for key, value in model.state_dict().items()} if wrapped else model.state_dict()
    path = tmp_path / "weights.pt"
    torch.save({"state_dict": state} if wrapped else state, path)
    loaded = load_clip(backbone, path)
    assert same_features(loaded.model, model)
    assert loaded.image_size == 16


def test_a_checkpoint_of_another_shape_names_the_first_tensors_that_do_not_fit(tmp_path, model, backbone):
    state = dict(model.state_dict())
    state["visual.proj"] = torch.zeros(32, 99)
    state["surplus"] = torch.zeros(1)
    del state["logit_scale"]
    path = tmp_path / "other.safetensors"
    save_file(state, path)
    with pytest.raises(UserError) as error:
        load_clip(backbone, path)
    text = str(error.value)
    assert "visual.proj is [32, 99], not [32, 16]" in text
    assert "logit_scale is missing" in text
    assert "surplus has no place" in text
    assert str(path) in text


def test_a_missing_file(tmp_path):
    with pytest.raises(UserError, match="no such checkpoint"):
        load_clip("ViT-B-16", tmp_path / "nothing.safetensors")


def test_damaged_metadata(tmp_path, model):
    path = tmp_path / "meta.safetensors"
    save_file(model.state_dict(), path, {"format": "clsim-clip/1", "architecture": "{"})
    with pytest.raises(UserError, match="metadata are damaged"):
        load_clip("", path)


def test_an_unknown_backbone_and_an_unknown_tag_name_the_nearest():
    with pytest.raises(UserError, match=r"(?s)no model 'ViT-B-61'.*Did you mean ViT-B-"):
        load_clip("ViT-B-61", None)
    with pytest.raises(UserError, match=r"(?s)no weights 'opanai'.*Did you mean openai"):
        load_clip("ViT-B-16", "opanai")


def test_a_tag_that_cannot_be_fetched_is_missing_weights(monkeypatch):
    def refuse(*args, **kwargs):
        raise RuntimeError("Failed to download weights for tag 'openai': no network")

    monkeypatch.setattr(open_clip, "create_model", refuse)
    with pytest.raises(WeightsMissing, match="ViT-B-16/openai"):
        load_clip("ViT-B-16", "openai")


@pytest.mark.parametrize(("tag", "quick"), [("openai", True), ("laion2b_s34b_b88k", False)])
def test_the_activation_is_the_one_the_weights_were_trained_with(monkeypatch, model, tag, quick):
    seen = {}

    def create(name, **kwargs):
        seen.update(kwargs)
        open_clip.model.set_model_preprocess_cfg(model, {"mean": (0,) * 3, "std": (1,) * 3, "size": (16, 16)})
        return model

    monkeypatch.setattr(open_clip, "create_model", create)
    load_clip("ViT-B-16", tag)
    assert seen["force_quick_gelu"] is quick


def test_a_config_beside_the_checkpoint_tells_the_activation(tmp_path, model, backbone):
    path = tmp_path / "open_clip_model.safetensors"
    save_file(model.state_dict(), path)
    assert same_features(load_clip(backbone, path).model, model)
    (tmp_path / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": {"quick_gelu": True}, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.2] * 3}})
    )
    quick = load_clip(backbone, path)
    assert not same_features(quick.model, model)
    assert (quick.mean, quick.std) == ((0.5,) * 3, (0.2,) * 3)
    assert same_features(load_clip(backbone, path, quick_gelu=False).model, model)


def test_random_weights_follow_the_global_seed(backbone):
    torch.manual_seed(3)
    first = load_clip(backbone, None)
    torch.manual_seed(3)
    assert load_clip(backbone, None).sha256 == first.sha256
    assert load_clip(backbone, None).sha256 != first.sha256


def test_nothing_is_logged_of_random_weights_when_others_follow(saved, tmp_path, model, backbone, caplog):
    plain = tmp_path / "plain.safetensors"
    save_file(model.state_dict(), plain)
    load_clip(backbone, plain)
    assert not caplog.records


@torch.no_grad()
def test_texts_cut_to_the_longest_give_the_same_features(model, tokenizer):
    tokens = tokenizer(["red", "a photo of a red dog", "cat"])
    assert torch.allclose(encode_texts(model, tokens), model.encode_text(tokens), atol=1e-5)
    assert torch.allclose(F.normalize(encode_texts(model, tokens), dim=-1), model.encode_text(tokens, normalize=True),
                          atol=1e-5)  # fmt: skip
