from itertools import product

import pytest
import torch
from helpers.errors import refused
from helpers.tiny import tiny_clip

from clsim.losses import EXCLUDED
from clsim.models import PromptedCLIP
from clsim.models.towers import deepen
from clsim.utils.errors import UserError

NAMES = ["ape", "a very long name", "bee", "cat", "doe", "elk"]
MODES = ("replace", "accumulate", "accumulate_same")


def prompted(**settings) -> PromptedCLIP:
    torch.manual_seed(1)
    return PromptedCLIP.from_clip(tiny_clip(), NAMES, **{"depth": 3, **settings})


def images(count: int = 4) -> torch.Tensor:
    return torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(2))


def lengths(blocks) -> list[int]:
    seen: list[int] = []
    for block in blocks:
        block.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[1]))
    return seen


@pytest.mark.parametrize("mode", MODES)
def test_token_counts_layer_by_layer(mode):
    model = prompted(vision_mode=mode, text_mode=mode)
    vision, text = lengths(model.clip.visual.transformer.resblocks), lengths(model.clip.transformer.resblocks)
    model(images())
    growth = [2, 2, 2] if mode == "replace" else [2, 4, 6]
    words = model.tokens.shape[1]
    assert vision == [1 + 4 + count for count in growth]
    assert text == [words + count for count in growth]


def test_published_sizes_of_vit_b_16():
    open_clip = pytest.importorskip("open_clip")
    with torch.device("meta"):
        clip = open_clip.model.CLIP(**{**open_clip.get_model_config("ViT-B-16")})
    model = PromptedCLIP(
        clip, lambda texts: torch.ones(1, 5).long(), ["x"], mean=[0.5] * 3, std=[0.5] * 3, image_size=224
    )
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 406_272
    bound = (6 / (1024 + 6144)) ** 0.5
    assert 0.99 * bound < model.prompts.abs().max() <= bound
    states = [torch.zeros(1, 199, 768)]
    for layer in range(1, 12):
        states.append(deepen(states[-1], torch.zeros(12, 2, 768), layer, 197, "accumulate"))
    assert [state.shape[1] for state in states] == [197 + 2 * (layer + 1) for layer in range(12)]


def test_deepen_puts_prompts_where_each_mode_says():
    prompts = torch.tensor([[[10.0]], [[20.0]], [[30.0]]])  # three layers, one prompt, width one
    state = torch.tensor([[[1.0], [11.0], [2.0]]])  # a token, the output of the prompt, a token
    after_one = {mode: deepen(state, prompts, 1, 1, mode).flatten().tolist() for mode in MODES}
    assert after_one == {
        "replace": [1, 20, 2],
        "accumulate": [1, 11, 20, 2],
        "accumulate_same": [1, 10, 20, 2],
    }
    grown = torch.tensor([[[1.0], [11.0], [21.0], [2.0]]])
    assert deepen(grown, prompts, 2, 1, "accumulate").flatten().tolist() == [1, 11, 21, 30, 2]
    assert deepen(grown, prompts, 2, 1, "accumulate_same").flatten().tolist() == [1, 10, 20, 30, 2]


def test_without_prompts_it_is_plain_open_clip():
    model = prompted(text_prompts=False, vision_prompts=False)
    clip, pixels = model.clip, images()
    expected = clip.encode_image(model.preprocess(pixels), normalize=True)
    torch.testing.assert_close(model.encode_image(pixels), expected, atol=1e-5, rtol=0)
    tokens = tiny_clip().tokenizer([f"{name}." for name in NAMES])
    torch.testing.assert_close(model.encode_classes(), clip.encode_text(tokens, normalize=True), atol=1e-5, rtol=0)


@pytest.mark.parametrize("mode", MODES)
def test_cutting_the_text_and_encoding_some_classes_is_exact(mode):
    model = prompted(text_mode=mode)
    everything = model.encode_classes()
    for classes in ([0, 2], [1], [5, 3]):
        chosen = torch.tensor(classes)
        torch.testing.assert_close(model.encode_classes(chosen), everything[chosen], atol=1e-5, rtol=0)
    # The same texts with room left behind them, which is what is cut away.
    uncut = prompted(text_mode=mode)
    tail = torch.zeros(len(NAMES), 24 - 2 - uncut.tokens.shape[1], dtype=torch.long)
    long_tokens = torch.cat([uncut.tokens, tail], dim=1)
    padded = [encode_uncut(uncut, long_tokens[i : i + 1]) for i in range(len(NAMES))]
    torch.testing.assert_close(torch.cat(padded), everything, atol=1e-5, rtol=0)


def encode_uncut(model: PromptedCLIP, tokens: torch.Tensor) -> torch.Tensor:
    """The text tower over a whole padded context, written out plainly."""
    text, prompts = model.clip, model.prompts
    state = text.token_embedding(tokens)
    state = torch.cat([state[:, :1], prompts[:1], state[:, 1:]], dim=1)
    state = state + text.positional_embedding[: state.shape[1]]
    for layer, block in enumerate(text.transformer.resblocks):
        if layer:
            state = deepen(state, prompts, layer, 1, model.text_mode)
        mask = torch.full((state.shape[1],) * 2, float("-inf")).triu(1)
        state = block(state, attn_mask=mask)
    shift = state.shape[1] - tokens.shape[1]
    pooled = text.ln_final(state)[0, int(tokens.argmax()) + shift] @ text.text_projection
    return torch.nn.functional.normalize(pooled[None], dim=-1)


def test_scoring_some_classes_leaves_their_logits_and_gradients_as_they_were():
    # In double precision, where rounding cannot hide a difference under the logits' scale of 100.
    whole, part = prompted().double(), prompted().double()
    classes, pixels = torch.tensor([2, 3]), images().double()
    part.score_only(classes)
    full, some = whole(pixels), part(pixels)
    torch.testing.assert_close(some[:, classes], full[:, classes], atol=1e-10, rtol=0)
    assert (some[:, [0, 1, 4, 5]] == EXCLUDED).all()
    labels = torch.tensor([2, 3, 3, 2])
    torch.nn.functional.cross_entropy(some, labels).backward()
    torch.nn.functional.cross_entropy(full[:, classes], labels - 2).backward()
    for ours, expected in (
        (part.prompts, whole.prompts),
        (part.prompt_projection.weight, whole.prompt_projection.weight),
    ):
        torch.testing.assert_close(ours.grad, expected.grad, atol=1e-10, rtol=0)
        assert ours.grad.abs().max() > 0


def test_class_features_are_kept_until_something_they_depend_on_moves():
    model = prompted().eval()
    with torch.no_grad():
        first = model.class_features()
        assert model.class_features() is first
        model.score_only(torch.tensor([1, 2]))
        assert model.class_features().shape[0] == 2
        model.score_only(None)
        model.prompts.mul_(-1)
        moved = model.class_features()
    assert (moved - first).abs().max() > 1e-4
    torch.testing.assert_close(moved, model.encode_classes().detach())


def test_only_prompts_learn_and_clip_stays_in_evaluation_mode():
    model = prompted().train()
    assert {n for n, p in model.named_parameters() if p.requires_grad} == {
        "prompts",
        "prompt_projection.weight",
        "prompt_projection.bias",
    }
    assert not model.clip.training


def test_classes_with_one_text_are_told_of():
    with pytest.warns(UserWarning, match="'ape' = 'ape'"):
        model = PromptedCLIP.from_clip(tiny_clip(), ["ape", "bee", "ape"])
    assert "2 classes share" in model.clip_facts["remarks"][0]
    assert prompted().clip_facts["remarks"] == []


def test_every_combination_of_modes_runs_backwards():
    for text_mode, vision_mode in product(MODES, MODES):
        model = prompted(text_mode=text_mode, vision_mode=vision_mode)
        model(images()).sum().backward()
        assert torch.isfinite(model.prompts.grad).all()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"depth": 0}, "depth"),
        ({"prompts": 0}, "prompts"),
        ({"prompts": 9}, "tokens"),
        ({"template": "a photo"}, "'a photo'"),
    ],
)
def test_settings_that_do_not_fit_are_the_users_error(settings, said):
    with refused(UserError, names=(said,)):
        prompted(**settings)


def test_a_tower_with_fewer_layers_than_the_depth_has_prompts_in_all():
    assert prompted(depth=12).prompts.shape[0] == 3
    uneven = tiny_clip()
    del uneven.model.transformer.resblocks[2]
    for mode in MODES:
        model = PromptedCLIP.from_clip(uneven, NAMES, depth=12, text_mode=mode)
        assert model.prompts.shape[0] == 3
        counts = lengths(model.clip.transformer.resblocks)
        features = model.encode_classes()
        words = model.tokens.shape[1]
        assert counts == [words + 2, words + (2 if mode == "replace" else 4)]
        # Two texts that differ in their last word only must differ: the end token is read, not another.
        assert (features[0] - features[2]).abs().max() > 1e-4


def test_other_text_towers_are_refused():
    for change in ("pooling", "transformer"):
        loaded = tiny_clip()
        if change == "pooling":
            loaded.model.text_pool_type = "last"
        else:
            loaded.model.transformer = torch.nn.Identity()
        with refused(UserError, names=("text tower",)):
            PromptedCLIP.from_clip(loaded, NAMES)


def test_other_image_towers_are_refused():
    loaded = tiny_clip()
    loaded.model.visual.pool_type = "avg"
    with refused(UserError, names=("class token",)):
        PromptedCLIP.from_clip(loaded, NAMES)


def test_patches_of_frozen_weights_are_embedded_without_gradient():
    model, embedded = prompted(), []
    model.clip.visual.conv1.register_forward_hook(lambda module, given, output: embedded.append(output))
    model.train()(images()).sum().backward()
    assert [output.requires_grad for output in embedded] == [False]
    assert model.prompts.grad is not None
    assert all(parameter.grad is None for parameter in model.clip.parameters())
