import pytest
import torch
from avalanche.training.plugins import SupervisedPlugin
from helpers.tiny import tiny_dataset

from clsim.config.discovery import find_strategy
from clsim.config.user_code import load_strategy
from clsim.metrics.class_accuracy import ClassAccuracy
from clsim.models.backbones import make_backbone
from clsim.models.replacement_model import ReplacementModel
from clsim.plugins import FeatureTeacher, ModelReplacement
from clsim.streams import Replacement, incremental, replacement


@pytest.fixture(scope="module")
def stream():
    return incremental(tiny_dataset(), base_classes=4, ways=3)


def build(stream, **settings):
    torch.manual_seed(0)
    small = {"backbone": "resnet8x2", "batch_size": 20, "crop_padding": 0, "cpu_workers": 1}
    return load_strategy(find_strategy("replay"))(stream, **{**small, **settings})


class Steps(SupervisedPlugin):
    """Session, rate and labels of every step."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def before_update(self, strategy, **kwargs):
        session, rate = strategy.experience.current_experience, strategy.optimizer.param_groups[0]["lr"]
        self.steps.append((session, rate, strategy.mb_y.tolist()))


def train(strategy, sessions):
    steps = Steps()
    strategy.plugins.append(steps)
    for session in sessions:
        strategy.train(session, eval_streams=[])
    return steps.steps


def accuracies(stream, **settings):
    strategy, metric = build(stream, epochs=6, lr=0.02, **settings), ClassAccuracy(10)
    strategy.evaluator.metrics.append(metric)
    train(strategy, stream.train_stream[:2])
    strategy.eval(stream.test_stream[:2])
    return metric.counts.accuracy_by_block(stream.class_blocks[:2])


def test_remembered_images_keep_the_old_classes(stream):
    forgotten, _ = accuracies(stream, memory=0)
    kept, new = accuracies(stream, memory=20)
    assert min(kept, new) > 0.7
    assert forgotten < 0.3


def test_half_of_every_batch_is_remembered_and_the_rate_falls(stream):
    steps = train(build(stream, epochs=2, memory=5), stream.train_stream[:2])
    assert [session for session, _, _ in steps] == [0] * 8 + [1] * 8
    assert [rate for _, rate, _ in steps[8:]] == [rate for _, rate, _ in steps[:8]]
    assert steps[0][1] == pytest.approx(0.001)
    assert steps[4][1] < steps[0][1]
    old = set(stream.class_blocks[0])
    assert all(sum(label in old for label in labels) == 10 for _, _, labels in steps[8:])


def test_distillation_is_left_out_unless_wished(stream):
    def teachers(**settings):
        return [p for p in build(stream, **settings).plugins if isinstance(p, FeatureTeacher)]

    assert teachers() == []
    (teacher,) = teachers(distillation_weight=5.0)
    assert (teacher.weight, teacher.own_weight, teacher.old_classes_only) == (5.0, 1.0, True)


def test_models_that_arrive_take_over_and_the_classifier_starts_over():
    torch.manual_seed(1)
    visitors = [
        Replacement(ReplacementModel("early", make_backbone("resnet8x4")), session=1),
        Replacement(ReplacementModel("late", make_backbone("resnet8x2")), session=2, after_share=0.5),
    ]
    whole = replacement(tiny_dataset(), base_classes=4, ways=3, replacements=visitors)
    strategy = build(whole, epochs=1, memory=5, distillation_weight=5.0)
    (replacing,) = (plugin for plugin in strategy.plugins if isinstance(plugin, ModelReplacement))
    widths, performed = [], []
    for session in whole.train_stream:
        strategy.train(session, eval_streams=[])
        widths.append(strategy.model.head.weight.shape[1])
        performed.append([(one.model, one.after_iterations) for one in replacing.performed])
    assert widths == [128, 256, 128]
    assert performed == [[], [("early", 0)], [("late", 2)]]
    assert strategy.model.head.bias is None
    assert all(torch.isfinite(value).all() for value in strategy.model.state_dict().values())
