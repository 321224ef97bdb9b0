from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from helpers.tiny import tiny_captions, tiny_clip
from torch.nn import functional as F

from clsim.models import ImageTextModel, Projection
from clsim.models.replacement_model import ReplacementClip
from clsim.plugins import ClipUpgrade, TextProjection
from clsim.streams import text_upgrade
from clsim.training import Strategy

IMAGES = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(2))


def rotation(width=12):
    drawn = torch.randn(width, width, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    return torch.linalg.qr(drawn).Q.float()


def turned(clip, by):
    """The same CLIP whose space is turned: its features are the given one's times ``by``."""
    model = deepcopy(clip.model)
    with torch.no_grad():
        model.text_projection.copy_(model.text_projection @ by)
        model.visual.proj.copy_(model.visual.proj @ by)
    return replace(clip, model=model)


def run(clips, texts=None, hidden=0, **settings):
    """Trains the projection in as many sessions as there are CLIPs; the models after every session."""
    stream = text_upgrade(tiny_captions(), load=[ReplacementClip(f"m{n}", clip) for n, clip in enumerate(clips)])

    def make(clip, old):
        model = ImageTextModel(clip)
        torch.manual_seed(0)
        model.projection = Projection(model.width, old.features, hidden)
        return model

    upgrade = ClipUpgrade(stream.models, make)
    plugin = TextProjection(upgrade, stream.texts if texts is None else texts, **settings)
    first = ImageTextModel(clips[0])
    strategy = Strategy(model=first, train_epochs=0, plugins=[upgrade, plugin])
    models = []
    for session in stream.train_stream:
        strategy.train(session, eval_streams=[])
        assert plugin.old_texts is None
        models.append(strategy.model)
    return models


@torch.no_grad()
def test_without_steps_a_rotation_is_recovered_and_brings_images_along():
    clip, by = tiny_clip(layers=2), rotation()
    torch.testing.assert_close(
        turned(clip, by).model.encode_image(IMAGES), clip.model.encode_image(IMAGES) @ by, atol=1e-5, rtol=0
    )
    texts = [f"{chr(97 + n)} {n}" for n in range(26)]
    old, new = run([clip, turned(clip, by)], texts=texts, steps=0)
    torch.testing.assert_close(new.projection.linear.weight, by, atol=1e-5, rtol=0)  # W x = by x turns it back
    torch.testing.assert_close(new(IMAGES), old(IMAGES), atol=1e-5, rtol=0)
    torch.testing.assert_close(new.features_of(["unseen"]), old.features_of(["unseen"]), atol=1e-5, rtol=0)


def loss_of(old, new, texts):
    with torch.no_grad():
        return (1 - F.cosine_similarity(new.features_of(texts), old.features_of(texts))).mean().item()


@pytest.mark.parametrize("contrast", [0.0, 0.1])
def test_steps_lower_the_distance_of_captions(contrast):
    texts = [f"{chr(97 + n % 26)} {n}" for n in range(200)]
    found = {}
    for steps in (0, 20, 200):
        clips = [tiny_clip(), tiny_clip(seed=1, embed_dim=20)]
        settings = {"steps": steps, "batch_size": 50, "lr": 0.005, "contrast_weight": contrast}
        found[steps] = loss_of(*run(clips, texts, hidden=16, **settings), texts)
    assert found[200] < found[20] < found[0]
    assert found[200] < 0.8 * found[0]


def test_every_model_of_a_chain_is_brought_into_the_first_ones_space():
    clip, by = tiny_clip(layers=2), rotation()
    texts = [f"{chr(97 + n)} {n}" for n in range(26)]
    first, _, third = run([clip, turned(clip, by), turned(clip, by @ by)], texts, steps=0)
    with torch.no_grad():
        torch.testing.assert_close(third(IMAGES), first(IMAGES), atol=1e-5, rtol=0)


def test_the_global_generator_is_left_alone_and_the_seed_decides():
    def trained(seed):
        clips = [tiny_clip(), tiny_clip(seed=1)]
        stream = text_upgrade(tiny_captions(), load=[ReplacementClip(f"m{n}", clip) for n, clip in enumerate(clips)])
        old, new = map(ImageTextModel, clips)
        new.projection = Projection(12, 12)
        upgrade = ClipUpgrade(stream.models, lambda clip, old: new)
        plugin = TextProjection(upgrade, stream.texts, steps=5, batch_size=4, lr=0.01, contrast_weight=0.1)
        strategy = Strategy(model=old, train_epochs=0, plugins=[upgrade, plugin])
        strategy.train(stream.train_stream[0], eval_streams=[])
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        strategy.train(stream.train_stream[1], eval_streams=[])
        assert torch.equal(torch.get_rng_state(), before)
        return new.projection.linear.weight

    one, again, other = trained(1), trained(1), trained(2)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_the_projection_is_trained_before_the_session_and_the_rest_stands_still():
    clips = [tiny_clip(), tiny_clip(seed=1)]
    before = [value.clone() for value in clips[1].model.parameters()]
    _, new = run(clips, steps=3, batch_size=100, lr=0.01, contrast_weight=0.1)
    assert all(torch.equal(now, then) for now, then in zip(clips[1].model.parameters(), before, strict=True))
    assert new.projection.training


def test_equal_captions_bear_one_number():
    projection = TextProjection(ClipUpgrade([], lambda clip, old: old), ("a dog", "a cat", "a dog"))
    assert projection.same.tolist() == [0, 1, 0]


@torch.no_grad()
def test_images_take_part_in_the_fit_where_they_are_asked_to():
    """Texts of one word span a line: the rotation of the rest is known from images alone."""
    clip, by = tiny_clip(layers=2), rotation()
    clips = [clip, turned(clip, by)]
    alone, together = (run(clips, texts=["a"], steps=0, images=images)[1] for images in (False, True))
    images = tiny_captions().train.pixels.float() / 255
    wanted = ImageTextModel(clip).embed(images)
    near = [F.cosine_similarity(model.embed(images), wanted).mean() for model in (alone, together)]
    assert near[1] > 0.999 > 0.9 > near[0]
