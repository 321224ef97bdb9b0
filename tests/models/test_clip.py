import copy
import json
import warnings

import open_clip
import pytest
import torch
from open_clip.model import CLIP, convert_to_custom_text_state_dict
from safetensors.torch import save_file
from torch.nn import functional as F

from clsim.models import ClipImageTower, ImageTextModel, PromptedCLIP, clip
from clsim.models.clip import Keys, encode_texts, load_clip, save_clip
from clsim.models.tokenizer import CompactTokenizer
from clsim.utils.errors import UserError, WeightsMissing

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
    assert "surplus is unknown" in text
    assert str(path) in text


def test_a_missing_file(tmp_path):
    with pytest.raises(UserError, match="no such checkpoint"):
        load_clip("ViT-B-16", tmp_path / "nothing.safetensors")


def test_damaged_metadata(tmp_path, model):
    path = tmp_path / "meta.safetensors"
    save_file(model.state_dict(), path, {"format": "clsim-clip/1", "architecture": "{"})
    with pytest.raises(UserError, match="metadata of the checkpoint are damaged"):
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


@pytest.fixture
def published(monkeypatch, backbone, tmp_path):
    """Weights of OpenAI's form under a tag, as open_clip finds them after a download."""
    torch.manual_seed(1)
    made = CLIP(**{**ARCHITECTURE, "quick_gelu": True}).eval()
    numbers = {"input_resolution": 16, "context_length": 12, "vocab_size": 520}
    path = tmp_path / "cached.pt"
    torch.save(made.state_dict(), path)
    tags = {
        "openai": open_clip.pretrained._pcfg(url="https://somewhere/cached.pt", quick_gelu=True),
        "laion": open_clip.pretrained._pcfg(url="https://somewhere/cached.pt"),
    }
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, backbone, tags)
    monkeypatch.setattr(open_clip.factory, "download_pretrained", lambda *_, **__: str(path))
    return made, {**made.state_dict(), **{key: torch.tensor(value) for key, value in numbers.items()}}


def archive(path, model, state):
    """A TorchScript archive as OpenAI distributes it: traced, with its three numbers as buffers."""
    model = copy.deepcopy(model)
    for name in ("input_resolution", "context_length", "vocab_size"):
        if hasattr(model, name):
            delattr(model, name)
        model.register_buffer(name, state[name])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(
            model, (torch.rand(2, 3, 16, 16), torch.tensor([[1, 519] + [0] * 10] * 2)), check_trace=False
        )
        torch.jit.save(traced, path)


@torch.no_grad()
def logits(model, images, tokens):
    one, other = model.encode_image(images, normalize=True), model.encode_text(tokens, normalize=True)
    return 100 * one @ other.T


@pytest.mark.parametrize("form", ["state dict", "in a table", "safetensors", "TorchScript"])
def test_openais_weights_give_the_same_logits_by_tag_and_by_path(tmp_path, published, backbone, tokenizer, form):
    made, state = published
    path = tmp_path / ("openai.safetensors" if form == "safetensors" else "openai.pt")
    if form == "safetensors":
        save_file(state, path)
    elif form == "TorchScript":
        archive(path, made, state)
    else:
        torch.save(state if form == "state dict" else {"state_dict": state}, path)
    by_tag, by_path = load_clip(backbone, "openai"), load_clip(backbone, path)
    images, tokens = torch.rand(3, 3, 16, 16), tokenizer(["red dog", "cat", "a photo"])
    expected = logits(made, images, tokens)
    assert torch.equal(logits(by_path.model, images, tokens), logits(by_tag.model, images, tokens))
    torch.testing.assert_close(logits(by_path.model, images, tokens), expected, atol=1e-4, rtol=0)
    # With the other activation these logits would be others.
    plain = load_clip(backbone, path, quick_gelu=False)
    assert (logits(plain.model, images, tokens) - expected).abs().max() > 1e-3
    facts = by_tag.facts() | {"name": "", "activation_known_from": ""}
    assert by_path.facts() | {"name": "", "activation_known_from": ""} == facts
    assert facts["activation"] == "QuickGELU"
    assert plain.facts()["activation"] == "GELU"
    assert by_path.facts()["activation_known_from"] == "the form of OpenAI's files"


def test_weights_that_do_not_tell_their_activation_are_refused_with_both_choices(tmp_path, published, backbone):
    path = tmp_path / "bare.pt"
    torch.save(published[0].state_dict(), path)
    with pytest.raises(UserError) as error:
        load_clip(backbone, path)
    assert error.value.where == str(path)
    assert "strategy.quick_gelu to true (as in openai) or to false (as in laion)" in error.value.fix
    with pytest.raises(UserError) as error:
        load_clip(backbone, path, keys=Keys.of_model("large", in_file=True))
    assert "models.large.quick_gelu" in error.value.fix


def test_an_architecture_with_quick_gelu_can_be_loaded_without(published, backbone, monkeypatch):
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS[backbone], "quick_gelu", True)
    assert load_clip(backbone, "openai").facts()["activation"] == "QuickGELU"
    assert load_clip(backbone, "openai", quick_gelu=False).facts()["activation"] == "GELU"
    assert load_clip(backbone, None, quick_gelu=False).facts()["activation"] == "GELU"


@pytest.mark.parametrize("by", ["tag", "path"])
def test_images_are_prepared_as_the_weights_need_it(tmp_path, published, backbone, monkeypatch, by):
    needs = {"mean": (0.0,) * 3, "std": (1.0,) * 3, "interpolation": "bilinear", "resize_mode": "squash"}
    for config in open_clip.pretrained._PRETRAINED[backbone].values():
        config.update(needs)
    path = tmp_path / "bare.pt"
    torch.save(published[0].state_dict(), path)
    loaded = load_clip(backbone, "openai" if by == "tag" else path, quick_gelu=True)
    images = torch.rand(2, 3, 20, 30)
    expected = F.interpolate(images, (16, 16), mode="bilinear", antialias=True)
    torch.testing.assert_close(loaded.preprocess()(images), expected)
    for model in (
        ClipImageTower(loaded),
        ImageTextModel(loaded),
        PromptedCLIP.from_clip(loaded, ["cat"], text_prompts=False, vision_prompts=False, prompts=1),
    ):
        torch.testing.assert_close(model.preprocess(images), expected)
        assert model.clip_facts["interpolation"] == "bilinear"


def test_weights_with_a_text_module_and_without_fit_each_other(tmp_path, model, backbone):
    moved = convert_to_custom_text_state_dict(model.state_dict())
    assert "text.positional_embedding" in moved
    path = tmp_path / "custom.pt"
    torch.save(moved, path)
    assert same_features(load_clip(backbone, path).model, model)


def test_weights_that_are_not_finite_are_refused(tmp_path, model, backbone):
    state = {key: value.clone() for key, value in model.state_dict().items()}
    state["visual.proj"][0, 0] = float("nan")
    path = tmp_path / "nan.safetensors"
    save_file(state, path)
    with pytest.raises(UserError, match=r"visual\.proj has 1 of"):
        load_clip(backbone, path)


def test_own_files_that_are_not_finite_are_refused(tmp_path, model, tokenizer):
    broken = copy.deepcopy(model)
    with torch.no_grad():
        broken.logit_scale.fill_(float("inf"))
    path = tmp_path / "own.safetensors"
    save_clip(path, broken, tokenizer, architecture=ARCHITECTURE, mean=(0,) * 3, std=(1,) * 3, name="own")
    with pytest.raises(UserError, match="logit_scale"):
        load_clip("", path)


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(clip, "find_spec", lambda name: None)
    with pytest.raises(UserError) as error:
        load_clip("ViT-B-16-SigLIP", None)
    assert type(error.value) is UserError
    assert (error.value.what, error.value.fix) == (
        "ViT-B-16-SigLIP needs the package transformers, which is not installed",
        "pip install transformers",
    )


def test_a_tokenizer_that_cannot_be_fetched_is_missing(monkeypatch, backbone):
    def refuse(*_):
        raise OSError("no network")

    monkeypatch.setattr(open_clip, "get_tokenizer", refuse)
    with pytest.raises(WeightsMissing, match="tokenizer of tiny-test-clip"):
        load_clip(backbone, None)


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
