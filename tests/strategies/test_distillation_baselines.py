"""LwF and feature distillation, beside the fine-tuning that they hold back."""

import pytest
import torch
from avalanche.training.plugins import SupervisedPlugin
from helpers.tiny import tiny_dataset
from torch.nn import functional as F

from clsim.config.discovery import find_strategy
from clsim.config.user_code import load_strategy
from clsim.metrics.cross_test import CrossTests
from clsim.streams import fscil, incremental, upgrade

STREAMS = {
    "upgrade": lambda: upgrade(tiny_dataset(), classes=[4, 10]),
    "incremental": lambda: incremental(tiny_dataset(), base_classes=4, ways=3),
    "fscil": lambda: fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0}),
}
NAMES = ["lwf", "feature_distillation"]


def build(stream, name, **settings):
    torch.manual_seed(0)
    small = {"backbone": "resnet8x2", "epochs": 2, "base_epochs": 3, "base_batch_size": 20, "lr": 0.05}
    return load_strategy(find_strategy(name))(stream, **{**small, **settings})


class Steps(SupervisedPlugin):
    """Every step of every session: its batch, what the model made of it, and the loss."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def before_training_exp(self, strategy, **kwargs):
        self.steps.append([])

    def after_backward(self, strategy, **kwargs):
        step = (strategy.mb_x, strategy.mb_y, strategy.mb_features, strategy.mb_output, strategy.loss)
        self.steps[-1].append([value.detach().clone() for value in step])


def copied(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def outputs(strategy, pixels):
    """Features and scores of all images, by the model as it is."""
    model = strategy.model.eval()
    with torch.no_grad():
        features = model.embed(pixels)
        return features, model.classify(features)


def moved(stream, name, **settings):
    """How far features, and probabilities among the first classes, of the second session's images go in it."""
    longer = {"base_epochs": 30, "epochs": 8, "batch_size": 40, "lr": 0.01}
    strategy, seen = build(stream, name, **{**longer, **settings}), []
    view = stream.train_stream[1].resident
    for session in stream.train_stream[:2]:
        strategy.train(session, eval_streams=[])
        seen.append(outputs(strategy, view.images.pixels[view.indices].float() / 255))
    (before, old), (after, new) = seen
    scores = (new[:, :4].softmax(1) - old[:, :4].softmax(1)).abs().sum(1).mean() / 2
    return {"feature_distillation": 1 - F.cosine_similarity(after, before).mean(), "lwf": scores}


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("name", [*NAMES, "fine_tune"])
def test_it_runs_from_end_to_end_on_one_network(name, kind):
    stream = STREAMS[kind]()
    strategy = build(stream, name)
    images, model = stream.dataset.test, strategy.model
    tests = CrossTests(images, images, criterion="cmc@1")
    strategy.evaluator.metrics.append(tests)
    for session in range(len(stream.train_stream)):
        strategy.train(stream.train_stream[session], eval_streams=[])
        strategy.eval(stream.test_stream[: session + 1])
    assert strategy.model is model
    assert [len(row) for row in tests.matrix] == list(range(1, len(stream.train_stream) + 1))
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("name", NAMES)
def test_without_weight_it_is_fine_tuning(name, kind):
    stream, final = STREAMS[kind](), []
    for strategy in (build(stream, name, alpha=0.0), build(stream, "fine_tune")):
        for session in stream.train_stream:
            strategy.train(session, eval_streams=[])
        final.append(copied(strategy.model))
    mine, plain = final
    assert mine.keys() == plain.keys()
    assert all(torch.equal(mine[key], plain[key]) for key in mine)


@pytest.mark.parametrize("kind", ["upgrade", "incremental"])
@pytest.mark.parametrize(("name", "alpha"), [("lwf", 5.0), ("feature_distillation", 20.0)])
def test_what_it_holds_moves_less_than_in_fine_tuning(name, alpha, kind):
    stream = STREAMS[kind]()
    held, free = moved(stream, name, alpha=alpha)[name], moved(stream, "fine_tune")[name]
    assert held < 0.85 * free


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_is_the_published_sum_against_the_network_as_the_session_found_it(name):
    stream = STREAMS["upgrade"]()
    strategy, steps = build(stream, name, alpha=3.0), Steps()
    strategy.plugins.append(steps)
    strategy.train(stream.train_stream[0], eval_streams=[])
    for _, labels, _, logits, loss in steps.steps[0]:
        assert loss.item() == pytest.approx(F.cross_entropy(logits[:, :4], labels).item(), rel=1e-4)
    old = load_strategy(find_strategy("fine_tune"))(stream, backbone="resnet8x2")
    old.model.load_state_dict(copied(strategy.model))
    strategy.train(stream.train_stream[1], eval_streams=[])
    for images, labels, features, logits, loss in steps.steps[1]:
        was, scores = outputs(old, images)
        if name == "lwf":
            target, own = (scores[:, :4] / 2).softmax(1), (logits[:, :4] / 2).log_softmax(1)
            distance = (target * (target.log() - own)).sum(1).mean()
        else:
            distance = 1 - F.cosine_similarity(features, was).mean()
        expected = F.cross_entropy(logits[:, :10], labels) + 3 * distance
        assert loss.item() == pytest.approx(expected.item(), rel=1e-3)


def test_lwf_takes_a_temperature():
    stream, losses = STREAMS["upgrade"](), []
    for temperature in (1.0, 4.0):
        strategy, steps = build(stream, "lwf", temperature=temperature), Steps()
        strategy.plugins.append(steps)
        for session in stream.train_stream:
            strategy.train(session, eval_streams=[])
        losses.append(steps.steps[1][0][-1])
    assert not torch.equal(*losses)


@pytest.mark.parametrize("name", NAMES)
def test_it_trains_in_bfloat16(name):
    stream = STREAMS["upgrade"]()
    strategy = build(stream, name, epochs=1, precision="bf16")
    for session in stream.train_stream:
        strategy.train(session, eval_streams=[])
    assert all(torch.isfinite(value).all() for value in strategy.model.state_dict().values())
