"""The towers read by functions are the towers that open_clip reads, and prompts go where they should."""

import pytest
import torch
from helpers.tiny import tiny_clip
from open_clip.model import CLIP, CustomTextCLIP
from torch import nn

from clsim.models.towers import causal_mask, read_image, read_text, text_tower, towers

TEXTS = ["ape", "a very long name", "bee"]
VISION = {"image_size": 8, "patch_size": 4, "width": 24, "layers": 2, "head_width": 8}
TEXT = {"context_length": 24, "vocab_size": 64, "width": 16, "heads": 2, "layers": 2}


def tokens_and_ends():
    tokens = tiny_clip().tokenizer(TEXTS)
    return tokens, tokens.argmax(dim=1)


@torch.no_grad()
def test_without_prompts_they_are_open_clips_own():
    model = tiny_clip().model
    text, vision = towers(model)
    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(read_image(vision, images), model.encode_image(images), atol=1e-5, rtol=0)
    tokens, ends = tokens_and_ends()
    for words_move in (True, False):
        found = read_text(text, tokens, ends, words_move=words_move)
        torch.testing.assert_close(found, model.encode_text(tokens), atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_custom_text_tower_is_read_too():
    torch.manual_seed(0)
    model = CustomTextCLIP(embed_dim=12, vision_cfg=VISION, text_cfg={**TEXT, "proj_bias": True}).eval()
    nn.init.normal_(model.text.text_projection.bias)
    tokens, ends = tokens_and_ends()
    torch.testing.assert_close(read_text(towers(model)[0], tokens, ends), model.encode_text(tokens), atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("prompts", [None, torch.randn(1, 2, 16, generator=torch.Generator().manual_seed(3))])
def test_what_stands_behind_the_end_token_does_not_matter(prompts):
    text = towers(tiny_clip().model)[0]
    tokens, ends = tokens_and_ends()
    scribbled = tokens.clone()
    for row, end in zip(scribbled, ends.tolist(), strict=True):
        row[end + 1 :] = 7
    clean = read_text(text, tokens, ends, prompts, words_move=False)
    torch.testing.assert_close(read_text(text, scribbled, ends, prompts, words_move=False), clean, atol=1e-6, rtol=0)
    scribbled[1, int(ends[1]) - 1] = 8  # but what stands before it does
    assert (read_text(text, scribbled, ends, prompts, words_move=False)[1] - clean[1]).abs().max() > 1e-4


def test_the_causal_mask_by_hand():
    ban = float("-inf")
    assert causal_mask(3, torch.device("cpu")).tolist() == [[0, ban, ban], [0, 0, ban], [0, 0, 0]]


@torch.no_grad()
def entering(text, tokens, ends, prompts, words_move):
    """The tokens that enter the first layer."""
    seen = []
    handle = text.transformer.resblocks[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    read_text(text, tokens, ends, prompts, words_move=words_move)
    handle.remove()
    return seen[0]


def test_words_keep_their_positions_or_move_on_by_the_number_of_prompts():
    text = towers(tiny_clip().model)[0]
    tokens, ends = tokens_and_ends()
    tokens = tokens[:, :20]
    prompts = torch.randn(1, 2, 16, generator=torch.Generator().manual_seed(3))
    words, places = text.token_embedding(tokens), text.positional_embedding
    still = entering(text, tokens, ends, prompts, False)
    assert still.shape == (3, 22, 16)
    torch.testing.assert_close(still[:, 0], words[:, 0] + places[0])
    torch.testing.assert_close(still[:, 1:3], prompts.expand(3, -1, -1))  # without a position
    torch.testing.assert_close(still[:, 3:], words[:, 1:] + places[1:20])
    moved = entering(text, tokens, ends, prompts, True)
    torch.testing.assert_close(moved[:, 0], words[:, 0] + places[0])
    torch.testing.assert_close(moved[:, 1:3], (prompts + places[1:3]).expand(3, -1, -1))
    torch.testing.assert_close(moved[:, 3:], words[:, 1:] + places[3:22])


@torch.no_grad()
def test_prompts_of_a_text_that_fills_the_context_have_room_where_words_keep_their_positions():
    text = towers(tiny_clip().model)[0]
    tokens = torch.full((1, 24), 5)
    tokens[0, -1] = 63
    prompts = torch.zeros(1, 4, 16)
    assert read_text(text, tokens, tokens.argmax(1), prompts, words_move=False).shape == (1, 12)
    with pytest.raises(RuntimeError):
        read_text(text, tokens, tokens.argmax(1), prompts, words_move=True)


@pytest.mark.parametrize(
    ("changes", "read"),
    [
        ({}, True),
        ({"pool_type": "eos"}, False),  # read off at a token that need not have the highest id
        ({"pool_type": "last"}, False),
        ({"no_causal_mask": True}, False),  # SigLIP, CLIPA: a word sees what stands behind the text
        ({"embed_cls": True}, False),  # CoCa: read off at a token of its own
    ],
)
def test_only_towers_that_are_read_as_they_read_themselves(changes, read):
    makes = [CustomTextCLIP] if "embed_cls" in changes else [CLIP, CustomTextCLIP]
    for make in makes:
        model = make(embed_dim=12, vision_cfg=VISION, text_cfg={**TEXT, **changes}).eval()
        assert (text_tower(model) is not None) == read
        if read:
            assert text_tower(model) is getattr(model, "text", model)
        else:
            with pytest.raises(ValueError, match="text tower"):
                towers(model)
