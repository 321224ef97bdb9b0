"""The strategies of text streams, on tiny CLIPs of different widths."""

import hashlib
from dataclasses import replace

import pytest
import torch
from avalanche.training.plugins import SupervisedPlugin
from helpers.tiny import tiny_captions, tiny_clip
from torch.nn import functional as F

from clsim.config.discovery import find_strategy
from clsim.config.signatures import read_signature
from clsim.config.user_code import load_strategy
from clsim.losses import orthogonal_procrustes
from clsim.metrics.pair_tests import PairTests
from clsim.models.replacement_model import ReplacementClip
from clsim.plugins import CaptionContrast
from clsim.streams import text_upgrade
from clsim.utils.errors import UserError

NAMES = ["xbt", "clip_procrustes", "clip_independent"]
SMALL = {"hidden": 8, "text_steps": 5, "text_batch_size": 8, "rank": 2, "prompt_tokens": 2, "batch_size": 5}
IMAGES = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(2))


def make_stream(widths=(12, 20), pairs=None):
    clips = [replace(tiny_clip(seed=n, embed_dim=width), sha256=str(n)) for n, width in enumerate(widths)]
    return text_upgrade(
        tiny_captions(), load=[ReplacementClip(f"m{n}", clip) for n, clip in enumerate(clips)], pairs=pairs
    )


def build(stream, name="xbt", seed=0, **settings):
    torch.manual_seed(seed)
    given = {**SMALL, "epochs": 2, **settings} if name == "xbt" else settings
    return load_strategy(find_strategy(name))(stream, **given)


def train(strategy, stream):
    models = []
    for session in stream.train_stream:
        strategy.train(session, eval_streams=[])
        models.append(strategy.model.eval())
    return models


def digest(named):
    parts = [name.encode() + value.detach().numpy().tobytes() for name, value in sorted(named)]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def clip_weights(model):
    """Of the CLIP inside, by their names before anything was added."""
    return [
        (name.replace("parametrizations.", "").removesuffix(".original"), value)
        for name, value in model.clip.state_dict().items()
        if not name.endswith((".0.up", ".0.down"))
    ]


@pytest.mark.parametrize("name", NAMES)
def test_they_run_on_text_streams_only(name):
    assert read_signature(find_strategy(name)).streams == ("text_upgrade",)


def test_no_weight_of_either_clip_is_touched_and_what_steers_learns():
    stream = make_stream()
    before = [digest(arrival.clip.model.state_dict().items()) for arrival in stream.models]
    strategy, started = build(stream, epochs=3), {}

    class Start(SupervisedPlugin):
        def before_training_epoch(self, strategy, **kwargs):
            if not started:
                started.update({name: value.clone() for name, value in strategy.model.state_dict().items()})

    strategy.plugins.append(Start())
    models = train(strategy, stream)
    assert [digest(arrival.clip.model.state_dict().items()) for arrival in stream.models] == before
    assert [digest(clip_weights(model)) for model in models] == before
    after = models[1].state_dict()
    moved = {name for name in after if not torch.equal(after[name], started[name])}
    learning = {name for name, value in models[1].named_parameters() if value.requires_grad}
    assert moved == learning
    assert {"image_prompts", "text_prompts", "projection.linear.weight"} <= learning
    assert len(learning) == 2 + 4 + 2 * 24
    assert strategy.images_trained == 3 * 12


def test_the_loss_is_the_stated_sum_by_hand():
    stream = make_stream()
    strategy = build(
        stream, pair_weight=2.0, old_text_weight=3.0, old_image_weight=5.0, distillation_weight=7.0, scale=10.0
    )
    steps, batches = [], []

    class Steps(SupervisedPlugin):
        def after_backward(self, strategy, **kwargs):
            steps.append(strategy.loss.item())

    contrast = next(plugin for plugin in strategy.plugins if isinstance(plugin, CaptionContrast))
    contrast.losses.append((0.0, lambda batch: batches.append(batch) or torch.tensor(0.0)))
    strategy.plugins.append(Steps())
    train(strategy, stream)
    assert len(steps) == 2 * 3
    for loss, (images, texts, old_images, old_texts, same) in zip(steps, batches, strict=True):

        def contrasted(this, that, same=same):
            scores = (10 * this @ that.T).masked_fill(same & ~torch.eye(len(same), dtype=torch.bool), -float("inf"))
            diagonal = torch.arange(len(scores))
            return -(scores.log_softmax(1) + scores.log_softmax(0))[diagonal, diagonal].mean() / 2

        expected = 2 * contrasted(images, texts) + 3 * contrasted(images, old_texts)
        expected += 5 * contrasted(texts, old_images) + 7 * (1 - F.cosine_similarity(texts, old_texts)).mean()
        assert loss == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_same_seed_the_same_bytes_and_another_others(precision):
    def trained(seed):
        stream = make_stream()
        return digest(train(build(stream, seed=seed, precision=precision), stream)[1].state_dict().items())

    one = trained(3)
    assert one == trained(3)
    assert one != trained(4)


@pytest.mark.parametrize("settings", [{"rank": 0}, {"prompt_tokens": 0}, {"hidden": 0}, {"epochs": 0}])
def test_parts_can_be_left_out(settings):
    stream = make_stream(pairs=4)
    first, second = train(build(stream, **settings), stream)
    assert first is not second
    assert (second.image_prompts is None) == ("prompt_tokens" in settings)
    assert (second.clip is stream.models[1].clip.model) == ("rank" in settings)
    assert second.features == 12


@pytest.mark.parametrize("name", NAMES)
def test_a_chain_of_three_ends_in_the_first_ones_space(name):
    stream = make_stream((12, 20, 12))
    strategy = build(stream, name)
    metric = PairTests(stream.dataset.test)
    strategy.evaluator.metrics.append(metric)
    models = []
    for session in stream.train_stream:
        strategy.train(session, eval_streams=[])
        strategy.eval(stream.test_stream)
        models.append(strategy.model)
    assert [model.features for model in models] == ([12, 20, 12] if name == "clip_independent" else [12] * 3)
    assert [model.weights_sha256 for model in models] == ["0", "1", "2"]
    assert [len(row) for row in metric.matrix] == [1, 2, 3]
    if name == "clip_independent":
        assert metric.matrix[1][0] == metric.matrix[2][1] == 0


@torch.no_grad()
def test_procrustes_is_the_closed_form_on_captions():
    stream = make_stream()
    _, second = train(build(stream, "clip_procrustes"), stream)
    old, new = (arrival.clip.model.encode_text for arrival in stream.models)
    tokens = stream.models[0].clip.tokenizer(list(stream.texts))
    turn = orthogonal_procrustes(F.normalize(new(tokens), dim=1), F.normalize(old(tokens), dim=1))
    expected = F.normalize(stream.models[1].clip.model.encode_image(2 * IMAGES - 1) @ turn, dim=1)
    torch.testing.assert_close(second(IMAGES), expected, atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize(
    ("given", "expected"), [((0.4, None), (0.4, 0.4)), ((0.7, 0.5), (0.7, 0.5)), ((1.0, 0.0), (1, 0))]
)
def test_slerp_is_in_the_new_width_with_a_share_for_each_direction(given, expected):
    stream = make_stream()
    share, text_share = given
    first, second = train(build(stream, "clip_procrustes", share=share, text_share=text_share), stream)
    old, new = (arrival.clip.model for arrival in stream.models)
    tokens = stream.models[0].clip.tokenizer(list(stream.texts))
    turn = orthogonal_procrustes(
        F.normalize(new.encode_text(tokens), dim=1), F.normalize(old.encode_text(tokens), dim=1)
    )
    # The square rotation that begins with these columns, written out; any other end gives the same.
    whole = torch.cat([turn, torch.linalg.svd(turn)[0][:, turn.shape[1] :]], dim=1)
    torch.testing.assert_close(whole @ whole.T, torch.eye(20), atol=1e-5, rtol=0)
    pairs = {
        "image": (first(IMAGES), F.normalize(new.encode_image(2 * IMAGES - 1), dim=1), second(IMAGES)),
        "text": (
            first.features_of(stream.texts),
            F.normalize(new.encode_text(tokens), dim=1),
            second.features_of(stream.texts),
        ),
    }
    for (before, now, found), part in zip(pairs.values(), expected, strict=True):
        for row in range(len(before)):
            u, v = F.pad(before[row], (0, 8)), now[row] @ whole
            angle = torch.arccos(u @ v)
            query = (torch.sin((1 - part) * angle) * u + torch.sin(part * angle) * v) / torch.sin(angle)
            torch.testing.assert_close(found[row], F.normalize(query[:12], dim=0), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "shares", [{"share": 1.5}, {"share": -0.1}, {"share": 0.5, "text_share": 2.0}, {"text_share": 0.5}]
)
def test_shares_that_make_no_sense_are_refused(shares):
    with pytest.raises(UserError, match="share"):
        build(make_stream(), "clip_procrustes", **shares)


@torch.no_grad()
def test_independent_models_are_as_they_were_loaded():
    stream = make_stream()
    for model, arrival in zip(train(build(stream, "clip_independent"), stream), stream.models, strict=True):
        expected = F.normalize(arrival.clip.model.encode_image(2 * IMAGES - 1), dim=1)
        torch.testing.assert_close(model(IMAGES), expected, atol=1e-5, rtol=0)
