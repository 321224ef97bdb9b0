"""The strategies of upgrade streams, on a tiny one: from four classes to ten."""

from functools import cache

import pytest
import torch
from avalanche.training.plugins import SupervisedPlugin
from helpers.tiny import tiny_dataset
from torch import nn
from torch.nn import functional as F

from clsim.config.discovery import find_strategy
from clsim.config.user_code import load_strategy
from clsim.metrics.class_accuracy import ClassAccuracy
from clsim.plugins import ModelUpgrade, OldPrototypes
from clsim.streams import upgrade


@pytest.fixture(scope="module")
def stream():
    return upgrade(tiny_dataset(), classes=[4, 10])


def build(stream, name, **settings):
    torch.manual_seed(0)
    small = {"backbone": "resnet8x2", "dimensions": 8, "epochs": 2, "warmup": 1, "batch_size": 25, "cpu_workers": 1}
    return load_strategy(find_strategy(name))(stream, **{**small, **settings})


def the(kind, strategy):
    return next((plugin for plugin in strategy.plugins if isinstance(plugin, kind)), None)


def copied(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


class Steps(SupervisedPlugin):
    """Every step of every session: what went into its loss, and the loss."""

    def __init__(self):
        super().__init__()
        self.rates, self.steps = [], []

    def before_training_exp(self, strategy, **kwargs):
        self.rates.append([])
        self.steps.append([])

    def after_backward(self, strategy, **kwargs):
        model, held, old = strategy.model, the(OldPrototypes, strategy), the(ModelUpgrade, strategy).old
        turn = model.head[0] if len(model.head) == 2 else None
        self.rates[-1].append(strategy.optimizer.param_groups[0]["lr"])
        self.steps[-1].append(
            {
                "loss": strategy.loss.item(),
                "labels": strategy.mb_y,
                "features": strategy.mb_features.detach().clone(),
                "logits": strategy.mb_output.detach().clone(),
                "classifier": model.classifier.detach().clone(),
                "turn": None if turn is None else (turn.weight.detach().clone(), turn.bias.detach().clone()),
                "prototypes": None if held is None or held.prototypes is None else held.prototypes.clone(),
                "old": old and (old, copied(old), {module.training for module in old.modules()}),
            }
        )


def train(strategy, stream):
    steps = Steps()
    strategy.plugins.append(steps)
    models = []
    for session in stream.train_stream:
        strategy.train(session, eval_streams=[])
        models.append((strategy.model, copied(strategy.model)))
    return steps, models


@pytest.fixture(scope="module")
def trained(stream):
    """Strategy, steps and models by name, trained once for all tests that only look at them."""

    @cache
    def find(name):
        strategy = build(stream, name, lr=0.01, **({"added": 3} if name == "oca" else {}))
        return strategy, *train(strategy, stream)

    return find


def old_means(stream, old):
    view = stream.train_stream[1].resident
    with torch.no_grad():
        features = old.embed(view.images.pixels[view.indices].float() / 255)
    return torch.stack([features[view.labels == label].mean(0) for label in range(10)])


def smoothed(logits, labels):
    logs = logits.log_softmax(1)
    return -(0.9 * logs[torch.arange(len(labels)), labels] + 0.1 * logs.mean(1)).mean()


@pytest.mark.parametrize("name", ["independent", "bct", "oca", "procrustes"])
def test_it_trains_two_models_one_after_the_other(stream, trained, name):
    strategy, steps, ((first, _), (second, _)) = trained(name)
    assert first is not second
    assert [len(session) for session in steps.steps] == [8, 16]
    assert the(ModelUpgrade, strategy).old is None
    for model in (first, second):
        assert all(torch.isfinite(value).all() for value in model.state_dict().values())
    strategy.eval(stream.test_stream)


@pytest.mark.parametrize(("name", "held"), [("independent", False), ("bct", True), ("oca", True)])
def test_both_models_learn_their_classes_and_the_second_speaks_as_the_first_if_it_is_held_to_it(stream, name, held):
    strategy, metric = build(stream, name, epochs=12, batch_size=20, lr=0.02), ClassAccuracy(10)
    strategy.evaluator.metrics.append(metric)
    pixels, features = stream.test_stream[0].resident.images.pixels.float() / 255, []
    for session in range(2):
        strategy.train(stream.train_stream[session], eval_streams=[])
        strategy.eval(stream.test_stream[: session + 1])
        assert metric.counts.accuracy() > 0.6
        with torch.no_grad():
            features.append(strategy.model.embed(pixels)[:, :8])
    closeness = F.cosine_similarity(*features).mean()
    assert closeness > 0.7 if held else closeness < 0.3


@pytest.mark.parametrize("name", ["independent", "bct", "oca", "procrustes"])
def test_the_old_model_stands_still_beside_the_new_one(trained, name):
    _, steps, ((first, state), _) = trained(name)
    assert all(step["old"] is None for step in steps.steps[0])
    for step in steps.steps[1]:
        old, seen, modes = step["old"]
        assert old is first
        assert modes == {False}
        assert all(torch.equal(value, state[key]) for key, value in seen.items())
    assert not any(parameter.requires_grad for parameter in first.parameters())


@pytest.mark.parametrize("name", ["independent", "bct", "oca", "procrustes"])
def test_the_rate_rises_and_falls_in_every_session(name):
    few = upgrade(tiny_dataset(), classes=[4, 10], images_per_class=5)
    steps, _ = train(build(few, name, epochs=4, warmup=2, lr=0.01), few)
    first, second = ([rates[0] for rates in torch.tensor(session).view(4, -1).tolist()] for session in steps.rates)
    assert first == second == pytest.approx([0.005, 0.01, 0.01, 0.005])


@pytest.mark.parametrize(
    ("name", "widths"), [("independent", [8, 8]), ("procrustes", [8, 8]), ("bct", [8, 8]), ("oca", [8, 11])]
)
def test_only_ocas_second_model_is_wider_and_turned(trained, name, widths):
    _, _, ((first, _), (second, _)) = trained(name)
    assert [first.dimensions, second.dimensions] == widths
    assert [first.classifier.shape, second.classifier.shape] == [(10, width) for width in widths]
    assert first.orthogonality_error() is None
    assert (second.orthogonality_error() is None) == (name != "oca")


def test_every_upgrade_of_a_chain_adds_as_much_to_oca():
    chain = upgrade(tiny_dataset(), classes=[3, 6, 10], images_per_class=5)
    _, models = train(build(chain, "oca", added=3, epochs=1), chain)
    assert [model.dimensions for model, _ in models] == [8, 11, 14]


def test_ocas_turn_moves_and_is_orthogonal(trained):
    _, steps, (_, (second, _)) = trained("oca")
    turns = [step["turn"][0] for step in steps.steps[1]]
    assert (turns[-1] - turns[0]).abs().max() > 0.01
    assert max(float((turn @ turn.T - torch.eye(11)).abs().max()) for turn in turns) < 1e-5
    assert second.orthogonality_error() < 1e-5


def test_the_independent_loss_is_the_smoothed_cross_entropy_over_the_seen_classes(trained):
    _, steps, _ = trained("independent")
    for session, seen in enumerate((4, 10)):
        for step in steps.steps[session]:
            logits = step["features"] @ step["classifier"].T
            expected = smoothed(logits[:, :seen], step["labels"])
            assert step["loss"] == pytest.approx(expected.item(), rel=1e-4)
            assert (step["logits"][:, seen:] == -1e4).all()


def test_ocas_loss_is_the_published_sum(stream, trained):
    _, steps, ((first, _), _) = trained("oca")
    for step in steps.steps[0]:
        logits = step["features"] @ step["classifier"].T
        assert step["loss"] == pytest.approx(smoothed(logits[:, :4], step["labels"]).item(), rel=1e-4)
    rows = old_means(stream, first)
    for step in steps.steps[1]:
        labels, (turn, shift) = step["labels"], step["turn"]
        torch.testing.assert_close(step["prototypes"], rows, rtol=1e-4, atol=1e-5)
        logits = (step["features"] @ turn.T + shift) @ step["classifier"].T
        shortened = F.normalize(step["features"][:, :8], dim=1)
        cosine = (shortened * F.normalize(rows[labels], dim=1)).sum(1)
        expected = 5 * smoothed(logits, labels) + 10 * smoothed(shortened @ rows.T, labels) + 5 * (1 - cosine).mean()
        assert step["loss"] == pytest.approx(expected.item(), rel=1e-4)


def test_ocas_weights_can_be_chosen(stream):
    chosen = {"classification": 2.0, "prototype": 3.0, "alignment": 7.0, "label_smoothing": 0.0}
    steps, ((first, _), _) = train(build(stream, "oca", added=3, epochs=1, warmup=0, **chosen), stream)
    rows = old_means(stream, first)
    step = steps.steps[1][0]
    labels, (turn, shift) = step["labels"], step["turn"]
    shortened = F.normalize(step["features"][:, :8], dim=1)
    own = F.cross_entropy((step["features"] @ turn.T + shift) @ step["classifier"].T, labels)
    sorting = F.cross_entropy(shortened @ rows.T, labels)
    cosine = (shortened * F.normalize(rows[labels], dim=1)).sum(1)
    assert step["loss"] == pytest.approx((2 * own + 3 * sorting + 7 * (1 - cosine).mean()).item(), rel=1e-4)


def test_bcts_rows_are_by_default_the_means_of_all_classes_unscaled(stream, trained):
    _, steps, ((first, _), _) = trained("bct")
    rows = old_means(stream, first)
    for step in steps.steps[1]:
        torch.testing.assert_close(step["prototypes"], rows, rtol=1e-4, atol=1e-5)
    assert (rows.norm(dim=1) < 0.999).any()  # means of unit features are shorter than 1


def test_the_rows_of_bcts_paper_are_the_old_classifier_and_scaled_means_of_new_classes(stream):
    steps, ((first, _), _) = train(build(stream, "bct", form="classifier"), stream)
    rows, weight = steps.steps[1][0]["prototypes"], first.classifier.detach()
    assert torch.equal(rows[:4], weight[:4])
    length = weight[:4].norm(dim=1).mean()
    torch.testing.assert_close(
        rows[4:], length * F.normalize(old_means(stream, first)[4:], dim=1), rtol=1e-4, atol=1e-5
    )
    assert all(torch.equal(step["prototypes"], rows) for step in steps.steps[1])


@pytest.mark.parametrize(
    ("settings", "influence"),
    [
        ({}, 10),
        ({"form": "classifier"}, 1),
        ({"influence": 1.0}, 1),
        ({"influence": 0.0}, 0),
        ({"form": "classifier", "influence": 10.0}, 10),
    ],
)
def test_bcts_loss_is_its_own_and_the_influence_of_the_fixed_rows(stream, settings, influence):
    steps, ((first, _), _) = train(build(stream, "bct", **settings), stream)
    for step in steps.steps[0]:
        logits = step["features"] @ step["classifier"].T
        assert step["loss"] == pytest.approx(smoothed(logits[:, :4], step["labels"]).item(), rel=1e-4)
    rows = old_means(stream, first)
    if "form" in settings:
        rows = F.normalize(rows, dim=1) * first.classifier.detach()[:4].norm(dim=1).mean()
        rows[:4] = first.classifier.detach()[:4]
    for step in steps.steps[1]:
        own = smoothed(step["features"] @ step["classifier"].T, step["labels"])
        old = smoothed(step["features"] @ rows.T, step["labels"])
        assert step["loss"] == pytest.approx((own + influence * old).item(), rel=1e-4)


@pytest.mark.parametrize("name", ["independent", "bct", "oca", "procrustes"])
def test_the_last_block_emits_the_features_unless_a_matrix_is_asked_for(stream, name):
    model = build(stream, name).model
    assert isinstance(model.neck, nn.Identity)
    block = model.backbone.module.body.stages[-1][-1]
    assert (block.bn2.num_features, block.downsample[-1].num_features) == (8, 8)
    assert (model.embed(torch.rand(20, 3, 8, 8)) < 0).any()
    before = build(stream, name, neck="linear").model
    assert before.neck.weight.shape == (8, 128)
    assert before.backbone.module.body.stages[-1][-1].bn2.num_features == 128


@pytest.mark.parametrize("name", ["independent", "bct", "oca", "procrustes"])
def test_images_are_resized_with_the_published_kernel(stream, name):
    preprocess = build(stream, name, image_size=24).model.backbone.module.preprocess
    assert (preprocess.image_size, preprocess.interpolation) == (24, "bilinear")
    chosen = build(stream, name, image_size=24, interpolation="bicubic").model.backbone.module.preprocess
    assert chosen.interpolation == "bicubic"


@pytest.mark.parametrize("name", ["independent", "bct", "oca", "procrustes"])
@pytest.mark.parametrize("zero_init", [True, False])
def test_blocks_start_with_the_gain_that_is_chosen_and_the_last_one_with_one(stream, name, zero_init):
    first, _, last = build(stream, name, zero_init_last=zero_init).model.backbone.module.body.stages
    assert first[-1].bn2.weight.unique().tolist() == [0.0 if zero_init else 1.0]
    assert last[-1].bn2.weight.unique().tolist() == [1.0]


@pytest.mark.parametrize("name", ["independent", "bct", "oca", "procrustes"])
def test_it_trains_on_more_images_of_the_same_classes(name):
    more = upgrade(tiny_dataset(), classes=[4, 4], images_per_class=[5, 15])
    strategy = build(more, name, epochs=1, warmup=0)
    _, ((first, _), (second, _)) = train(strategy, more)
    assert first is not second
    strategy.eval(more.test_stream)


@pytest.mark.parametrize("name", ["independent", "bct", "oca", "procrustes"])
def test_it_trains_with_two_workers_and_bfloat16(stream, name):
    strategy = build(stream, name, epochs=1, warmup=0, cpu_workers=2, precision="bf16")
    steps, (_, (second, _)) = train(strategy, stream)
    assert all(0 < step["loss"] < 100 for session in steps.steps for step in session)
    if name == "oca":
        assert second.orthogonality_error() < 1e-5
