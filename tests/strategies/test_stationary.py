import math
from copy import deepcopy

import pytest
import torch
from avalanche.training.plugins import SupervisedPlugin
from helpers.tiny import tiny_dataset

from clsim.config.discovery import find_strategy
from clsim.config.user_code import load_strategy
from clsim.metrics.class_accuracy import ClassAccuracy
from clsim.models import dsimplex
from clsim.models.backbones import make_backbone
from clsim.models.replacement_model import ReplacementModel
from clsim.plugins import FeatureTeacher, ModelReplacement
from clsim.streams import Replacement, fscil, replacement
from clsim.utils.errors import UserError

SETTINGS = {
    "backbone": "resnet8x4",
    "vertices": 12,
    "base_epochs": 6,
    "base_batch_size": 20,
    "sizes": (8,),
    "crop_padding": 0,
    "few_shot_epochs": 10,
    "cpu_workers": 1,
}


@pytest.fixture(scope="module")
def stream():
    return fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})


def build(stream, **settings):
    torch.manual_seed(0)
    return load_strategy(find_strategy("stationary"))(stream, **{**SETTINGS, **settings})


def accuracies(strategy, stream):
    metric = ClassAccuracy(10)
    strategy.evaluator.metrics.append(metric)
    found = []
    for session in stream.train_stream:
        strategy.train(session, eval_streams=[])
        seen = session.current_experience + 1
        strategy.eval(stream.test_stream[:seen])
        found.append(metric.counts.accuracy_by_block(stream.class_blocks[:seen]))
    return found


def test_it_learns_new_classes_and_keeps_the_old_ones(stream):
    strategy = build(stream)
    after = accuracies(strategy, stream)
    assert after[0][0] > 0.8
    assert after[-1][0] > after[0][0] - 0.2
    assert min(after[1][1], after[2][2]) > 0.4
    torch.testing.assert_close(strategy.model.head[1].weight, dsimplex(12).flip(0))


def test_only_the_projection_moves_after_the_base_session(stream):
    strategy = build(stream)
    strategy.train(stream.train_stream[0], eval_streams=[])
    before = {name: value.clone() for name, value in strategy.model.state_dict().items()}
    strategy.train(stream.train_stream[1], eval_streams=[])
    moved = {name for name, value in strategy.model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"head.0.weight"}


def test_classes_need_vertices(stream):
    with pytest.raises(UserError, match="no room for 10 classes"):
        build(stream, vertices=9)


def test_the_same_seed_gives_the_same_bytes_with_two_workers_too(stream):
    threads = torch.get_num_threads()
    states = []
    for _ in range(2):
        strategy = build(stream, cpu_workers=2, base_epochs=1, few_shot_epochs=2)
        for session in stream.train_stream[:2]:
            strategy.train(session, eval_streams=[])
        states.append(strategy.model.state_dict())
    torch.set_num_threads(threads)
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def replaced(**settings):
    """The strategy after three whole sessions, a model before the second and one in the middle of the third."""
    torch.manual_seed(1)
    visitors = [
        Replacement(ReplacementModel("same", make_backbone("resnet8x2"), torch.randn(11, 128)), session=1),
        Replacement(ReplacementModel("wide", make_backbone("resnet8x4")), session=2, after_iterations=1),
    ]
    whole = replacement(tiny_dataset(), base_classes=4, ways=3, replacements=visitors)
    strategy = build(whole, backbone="resnet8x2", epochs=1, batch_size=40, memory=5, **settings)
    metric, performed, trained = ClassAccuracy(10), [], []
    strategy.evaluator.metrics.append(metric)
    (replacing,) = (plugin for plugin in strategy.plugins if isinstance(plugin, ModelReplacement))
    for session in whole.train_stream:
        strategy.train(session, eval_streams=[])
        performed.append([(one.model, one.after_iterations) for one in replacing.performed])
        trained.append(strategy.images_trained)
        strategy.eval(whole.test_stream[: session.current_experience + 1])
    return strategy, performed, trained, metric.counts


def test_whole_sessions_go_on_with_the_models_that_arrive():
    strategy, performed, trained, counts = replaced()
    assert performed == [[], [("same", 0)], [("wide", 1)]]
    # 80 images; then 40 a batch where 60 and 20, 60 and 35 remembered fill two: 20 remembered and 20 new ones
    assert trained == [80, 80, 80]
    assert strategy.model.projection.weight.shape == (11, 256)
    torch.testing.assert_close(strategy.model.head[1].weight, dsimplex(12).flip(0))
    assert all(torch.isfinite(value).all() for value in strategy.model.state_dict().values())
    assert 0 <= counts.accuracy() <= 1


def test_whole_sessions_have_the_published_settings():
    torch.manual_seed(0)
    whole = replacement(tiny_dataset(), base_classes=4, ways=3, replacements=[])
    strategy = load_strategy(find_strategy("stationary"))(whole, backbone="resnet8x2")
    assert strategy.model.projection.weight.shape == (1023, 128)
    assert (strategy.train_epochs, strategy.train_mb_size) == (70, 128)
    (teacher,) = (plugin for plugin in strategy.plugins if isinstance(plugin, FeatureTeacher))
    assert (teacher.own_weight, teacher.weight) == (0.1, 0.9)


class Steps(SupervisedPlugin):
    """Images, classes, features and logits of every step, and the loss that was propagated back."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def after_backward(self, strategy, **kwargs):
        values = (strategy.mb_x, strategy.mb_y, strategy.mb_features, strategy.mb_output, strategy.loss)
        self.steps.append([value.detach().clone() for value in values])


def plain_loss(old, new, logits, labels, vertices, mu=10.0, weight=0.1):
    """w L_CE + (1 - w) L_HOC as sums over images: every class of the batch adds 1 for each of its own images."""
    old, new, logits = old.double(), new.double(), logits.double()
    cross_entropy = compatibility = 0.0
    for n, label in enumerate(labels.tolist()):
        cross_entropy -= logits[n, label] - sum(logits[n, k].exp() for k in range(vertices)).log()
        similar = [mu * float(old[n] @ new[m] / old[n].norm() / new[m].norm()) for m in range(len(labels))]
        others = sum(math.exp(s) if labels[m] != label else 1.0 for m, s in enumerate(similar))
        compatibility += math.log(others) - similar[n]
    return float(weight * cross_entropy + (1 - weight) * compatibility) / len(labels)


@pytest.mark.parametrize("first_session_teacher", ["start", "none"])
def test_the_first_session_has_the_published_loss_without_an_arriving_model(first_session_teacher):
    whole = replacement(tiny_dataset(), base_classes=4, ways=3, replacements=[])
    small = {"backbone": "resnet8x2", "epochs": 2, "batch_size": 20, "lr": 0.05}
    strategy, steps = build(whole, **small, first_session_teacher=first_session_teacher), Steps()
    start = deepcopy(strategy.model).eval()
    strategy.plugins.append(steps)
    strategy.train(whole.train_stream[0], eval_streams=[])
    assert len(steps.steps) == 8
    for images, labels, features, logits, loss in steps.steps:
        assert logits.shape[1] == 12
        with torch.no_grad():
            old = start.embed(images)
        weight = 0.1 if first_session_teacher == "start" else 1.0
        assert loss.item() == pytest.approx(plain_loss(old, features, logits, labels, 12, weight=weight), rel=1e-4)


def test_gains_and_decay_are_settings():
    whole = replacement(tiny_dataset(), base_classes=4, ways=3, replacements=[])
    for name in ("stationary", "replay"):
        made = load_strategy(find_strategy(name))

        def start(made=made, **settings):
            strategy = made(whole, backbone="resnet8x2", **settings)
            strategy.make_optimizer()
            gains = [m.weight for m in strategy.model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
            groups = strategy.optimizer.param_groups
            smallest = min(float(gain.detach().max()) for gain in gains)
            return smallest, [(g["weight_decay"], {p.ndim for p in g["params"]}) for g in groups]

        assert start() == (0.0, [(5e-4, {1, 2, 4})])
        assert start(zero_init_last=False, weight_decay_on="matrices") == (1.0, [(5e-4, {2, 4}), (0.0, {1})])


def test_the_teachers_can_be_left_out_and_added():
    whole = replacement(tiny_dataset(), base_classes=4, ways=3, replacements=[])

    def weights(**settings):
        plugins = build(whole, backbone="resnet8x2", **settings).plugins
        return [(p.weight, p.old_classes_only) for p in plugins if isinstance(p, FeatureTeacher)]

    assert weights(cross_entropy_weight=1.0) == []
    assert weights(cross_entropy_weight=0.25, distillation_weight=5.0) == [(0.75, False), (5.0, True)]


@pytest.mark.slow
@pytest.mark.real_data("cifar100", "fscil_splits")
def test_cifar100_goes_through_the_standard_lists():
    """A minute of the real thing; the figures of a whole run stand in docs/measured.md."""
    from clsim.data import load_dataset

    stream = fscil(load_dataset("cifar100"), base_classes=60, ways=5, shots=5)
    strategy = build(
        stream, vertices=128, sizes=(16,), crop_padding=4, base_batch_size=128, base_epochs=1, cpu_workers=2
    )
    strategy.train(stream.train_stream[0], eval_streams=[])
    metric = ClassAccuracy(100)
    strategy.evaluator.metrics.append(metric)
    strategy.eval(stream.test_stream[:1])
    assert metric.counts.accuracy() > 5 / 60
