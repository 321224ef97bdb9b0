import hashlib

import pytest
import torch
from helpers.errors import refused
from helpers.tiny import tiny_clip, tiny_tokenizer
from open_clip.model import CLIP, CustomTextCLIP
from torch import nn
from torch.nn import functional as F

from clsim.losses import slerp
from clsim.models import ImageTextModel, LoadedClip, Projection
from clsim.utils.errors import UserError

TEXTS = ["ape", "a very long name", "bee", "ape", "cat", "ape"]
IMAGES = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(2))
VISION = {"image_size": 8, "patch_size": 4, "width": 24, "layers": 2, "head_width": 8}
TEXT = {"context_length": 24, "vocab_size": 64, "width": 16, "heads": 2, "layers": 2}


def digest(model):
    parts = [name.encode() + value.detach().numpy().tobytes() for name, value in model.state_dict().items()]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def projected(model, width, hidden=0, seed=0):
    torch.manual_seed(seed)
    model.projection = Projection(model.width, width, hidden)
    return model


def loaded(model, size=8):
    return LoadedClip(model.requires_grad_(False).eval(), tiny_tokenizer, (0.5,) * 3, (0.5,) * 3, size, "odd", "1" * 64)


@torch.no_grad()
def test_its_own_features_are_open_clips_of_length_one():
    clip = tiny_clip()
    model = ImageTextModel(clip)
    expected = clip.model.encode_image((IMAGES - 0.5) / 0.5, normalize=True)
    torch.testing.assert_close(model(IMAGES), expected, atol=1e-5, rtol=0)
    expected = clip.model.encode_text(tiny_tokenizer(TEXTS), normalize=True)
    torch.testing.assert_close(model.features_of(TEXTS), expected, atol=1e-5, rtol=0)
    assert model.weights_sha256 == clip.sha256
    assert not [name for name, value in model.named_parameters() if value.requires_grad]


@torch.no_grad()
def test_prompts_that_have_not_learnt_hardly_change_features():
    clip = tiny_clip()
    torch.manual_seed(0)
    model, plain = ImageTextModel(clip, prompts=2), ImageTextModel(clip)
    assert [model.image_prompts.shape, model.text_prompts.shape] == [(1, 2, 24), (1, 2, 16)]
    for new, old in ((model(IMAGES), plain(IMAGES)), (model.features_of(TEXTS), plain.features_of(TEXTS))):
        cosine = F.cosine_similarity(new, old)
        assert cosine.min() > 0.9
        assert cosine.max() < 1 - 1e-6  # but they are there


def test_prompts_and_low_rank_changes_learn_and_nothing_else_does():
    torch.manual_seed(0)
    model = ImageTextModel(tiny_clip(), prompts=2, rank=2)
    loss = model(IMAGES)[:, 0].sum() + model.embed_text(model.tokenize(TEXTS))[:, 0].sum()
    loss.backward()
    for prompts in (model.image_prompts, model.text_prompts):
        assert prompts.grad.abs().max() > 0
    learning = {name: value for name, value in model.named_parameters() if value.requires_grad}
    assert len(learning) == 2 + 2 * 24
    assert all(value.grad.abs().max() > 0 for name, value in learning.items() if name.endswith(".up"))
    assert all(value.grad is None for name, value in model.named_parameters() if name not in learning)


def test_low_rank_changes_are_of_a_copy():
    clip = tiny_clip()
    before, names = digest(clip.model), list(clip.model.state_dict())
    model = ImageTextModel(clip, rank=2)
    assert model.clip is not clip.model
    for value in model.parameters():
        if value.requires_grad:
            nn.init.normal_(value)
    assert list(clip.model.state_dict()) == names
    assert digest(clip.model) == before
    with torch.no_grad():
        assert (model(IMAGES) - ImageTextModel(clip)(IMAGES)).abs().max() > 1e-3
    assert ImageTextModel(clip, prompts=2).clip is clip.model


@pytest.mark.parametrize("size", [1, 2, 256])
@torch.no_grad()
def test_features_of_texts_are_those_of_one_text_after_the_other(size):
    torch.manual_seed(0)
    model = projected(ImageTextModel(tiny_clip(), prompts=2, rank=2), 5, hidden=3)
    one_by_one = torch.cat([model.embed_text(model.tokenize([text])) for text in TEXTS])
    torch.testing.assert_close(model.features_of(TEXTS, size=size), one_by_one, atol=1e-6, rtol=0)
    own = torch.cat([model.encode_text(model.tokenize([text])) for text in TEXTS])
    torch.testing.assert_close(model.features_of(TEXTS, projected=False, size=size), own, atol=1e-6, rtol=0)
    assert one_by_one.shape == (6, 5) and own.shape == (6, 12)


def test_texts_that_occur_again_are_encoded_once():
    model, seen = ImageTextModel(tiny_clip()), []
    model.embed_text = lambda tokens: seen.append(len(tokens)) or torch.ones(len(tokens), 2)
    model.features_of(TEXTS, size=3)
    assert seen == [3, 1]


def test_tokens_are_cut_behind_the_longest_text():
    model = ImageTextModel(tiny_clip())
    assert model.tokenize(["ape", "a"]).shape == (2, 5)
    assert torch.equal(model.tokenize(["ape"])[0], tiny_tokenizer(["ape"])[0, :5])
    assert model.cut(model.tokenizer(TEXTS)).shape == (6, 18)


@torch.no_grad()
def test_beside_an_older_model_features_are_on_the_great_circle_between_both():
    old = ImageTextModel(tiny_clip())
    alone = projected(ImageTextModel(tiny_clip(seed=1, embed_dim=20)), 12)
    rotation = torch.linalg.qr(torch.randn(20, 12, generator=torch.Generator().manual_seed(4)))[0]
    alone.projection.start_at(rotation)
    for shares in ((1.0, 1.0), (0.3, 0.8), (0.0, 0.0)):
        both = ImageTextModel(tiny_clip(seed=1, embed_dim=20), alone.projection, beside=old, shares=shares)
        turned = both.encode_image(IMAGES) @ rotation
        assert (turned.norm(dim=1) < 0.99).all()
        torch.testing.assert_close(both(IMAGES), slerp(old(IMAGES), turned, shares[0]), atol=1e-6, rtol=0)
        own = alone.features_of(TEXTS, projected=False)
        expected = slerp(old.features_of(TEXTS), own @ rotation, shares[1])
        torch.testing.assert_close(both.features_of(TEXTS), expected, atol=1e-6, rtol=0)
        torch.testing.assert_close(both.features_of(TEXTS, projected=False), own, atol=1e-6, rtol=0)
        if shares[0] != 0.3:
            near = alone if shares[0] == 1 else old
            torch.testing.assert_close(both(IMAGES), near(IMAGES), atol=1e-4, rtol=0)
            torch.testing.assert_close(both.features_of(TEXTS), near.features_of(TEXTS), atol=1e-4, rtol=0)


def test_widths():
    model = ImageTextModel(tiny_clip(embed_dim=20))
    assert (model.width, model.features) == (20, 20)
    assert (projected(model, 5).width, projected(model, 5).features) == (20, 5)
    torch.manual_seed(0)
    for changes in ({"proj_bias": True}, {"proj_type": "none", "width": 12}):
        text = {**TEXT, **changes}
        other = ImageTextModel(loaded(CustomTextCLIP(embed_dim=12, vision_cfg=VISION, text_cfg=text)))
        assert (other.width, other.features) == (12, 12)


def test_the_clip_stays_in_evaluation_mode():
    model = projected(ImageTextModel(tiny_clip()), 5).train()
    assert model.projection.training and not model.clip.training


@torch.no_grad()
def test_a_resnet_works_without_prompts_and_with_low_rank_changes():
    torch.manual_seed(0)
    vision = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "head_width": 16}
    clip = loaded(CLIP(embed_dim=12, vision_cfg=vision, text_cfg=TEXT), size=32)
    images = torch.rand(2, 3, 32, 32)
    for settings in ({}, {"rank": 2}):
        model = ImageTextModel(clip, **settings)
        expected = clip.model.encode_image((images - 0.5) / 0.5, normalize=True)
        torch.testing.assert_close(model(images), expected, atol=1e-5, rtol=0)
        expected = clip.model.encode_text(tiny_tokenizer(TEXTS), normalize=True)
        torch.testing.assert_close(model.features_of(TEXTS), expected, atol=1e-5, rtol=0)
    assert [name for name, value in model.named_parameters() if value.requires_grad and "visual" in name]
    with refused(UserError, names=("model odd", "image tower", "ModifiedResNet")) as told:
        ImageTextModel(clip, prompts=2)
    assert "prompt_tokens" in told.value.fix


@torch.no_grad()
@pytest.mark.parametrize(
    "changes", [{"no_causal_mask": True, "pool_type": "last"}, {"no_causal_mask": True}, {"embed_cls": True}]
)
def test_a_text_tower_that_looks_behind_the_text_is_given_the_whole_context(changes):
    """SigLIP's, CLIPA's and CoCa's; their tokenizers pad with other ids than 0, and end with other than the highest."""
    torch.manual_seed(0)

    def padded_with_ones(texts):
        tokens = tiny_tokenizer(texts)
        return tokens.where(tokens != 63, 40).where(tokens != 0, 1)

    clip = loaded(CustomTextCLIP(embed_dim=12, vision_cfg=VISION, text_cfg={**TEXT, **changes}))
    clip = LoadedClip(**{**vars(clip), "tokenizer": padded_with_ones})
    model = ImageTextModel(clip)
    assert model.tokenize(TEXTS).shape == (6, 24)
    expected = F.normalize(clip.model.encode_text(padded_with_ones(TEXTS)), dim=-1)
    torch.testing.assert_close(model.features_of(TEXTS, size=2), expected, atol=1e-6, rtol=0)
    with refused(UserError, names=("model odd", "text tower")):
        ImageTextModel(clip, prompts=2)


@torch.no_grad()
def test_a_caption_longer_than_the_context_is_cut_by_the_tokenizer():
    open_clip = pytest.importorskip("open_clip")
    torch.manual_seed(0)
    text = {**TEXT, "context_length": 8, "vocab_size": 49408}
    made = CLIP(embed_dim=12, vision_cfg=VISION, text_cfg=text)
    clip = LoadedClip(**{**vars(loaded(made)), "tokenizer": open_clip.SimpleTokenizer(context_length=8)})
    model = ImageTextModel(clip, prompts=3)
    long = "a " * 30 + "dog"
    assert model.tokenize([long]).shape == (1, 8)
    assert torch.isfinite(model.features_of([long, "dog"])).all()
