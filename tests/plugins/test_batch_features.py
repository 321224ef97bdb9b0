"""Features of a batch reach plugins in clsim's and in Avalanche's templates, and Avalanche's plugins in clsim's."""

from types import SimpleNamespace

import pytest
import torch
from avalanche.training import Naive
from avalanche.training.plugins import EvaluationPlugin, SupervisedPlugin
from avalanche.training.plugins.feature_distillation import FeatureDistillationPlugin
from helpers.errors import refused
from helpers.tiny import TinyModel, tiny_dataset
from torch import nn

from clsim.models import EmbeddingClassifier, LinearClassifier
from clsim.plugins import FeatureTeacher
from clsim.plugins.batch_features import batch_features
from clsim.streams import fscil
from clsim.training import Strategy
from clsim.utils.errors import ArgumentError


class Pixels(nn.Module):
    num_features = 192

    def forward(self, images):
        return images.flatten(1)


class Features(SupervisedPlugin):
    def __init__(self):
        super().__init__()
        self.right, self.kept = [], []

    def before_backward(self, strategy, **kwargs):
        found = batch_features(strategy, self)
        self.right.append(found.requires_grad and torch.equal(found, strategy.model.embed(strategy.mb_x)))
        self.kept.append(strategy.model.features)


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.1)


def run(template, plugins, sessions=2, model=None):
    torch.manual_seed(0)
    model = model or EmbeddingClassifier(Pixels(), 4, 10)
    learner = template(
        model=model,
        optimizer=sgd if template is Strategy else sgd(model.parameters()),
        train_mb_size=200,
        train_epochs=2,
        plugins=plugins,
        evaluator=EvaluationPlugin(),
    )
    stream = fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})
    for session in stream.train_stream[:sessions]:
        learner.train(session, eval_streams=[])
    return learner


@pytest.mark.parametrize("template", [Strategy, Naive])
def test_features_are_those_of_the_pass_that_gave_the_logits(template):
    watch = Features()
    run(template, [watch])
    assert watch.right == [True] * 4


def test_nothing_is_left_in_the_model_while_it_trains():
    watch = Features()
    run(Strategy, [watch])
    assert watch.kept == [None] * 4


def test_a_feature_teacher_teaches_the_same_in_avalanches_template():
    def loss(new, old, labels):
        return (new - old).square().sum()

    ours, theirs = (run(template, [FeatureTeacher(loss, weight=3.0)]) for template in (Strategy, Naive))
    torch.testing.assert_close(ours.model.neck.weight, theirs.model.neck.weight)
    assert not torch.equal(ours.model.neck.weight, run(Strategy, []).model.neck.weight)


def test_avalanches_feature_distillation_finds_the_features_of_the_model():
    distilled, plain = run(Strategy, [FeatureDistillationPlugin(alpha=5.0)]), run(Strategy, [])
    torch.testing.assert_close(
        distilled.model.classifier, run(Naive, [FeatureDistillationPlugin(5.0)]).model.classifier
    )
    assert not torch.equal(distilled.model.classifier, plain.model.classifier)


def test_a_model_without_features_is_named():
    strategy = SimpleNamespace(model=TinyModel())
    with refused(ArgumentError, names=("FeatureTeacher", "TinyModel")):
        batch_features(strategy, FeatureTeacher(lambda *given: 0, weight=1.0))
    assert run(Strategy, [], model=LinearClassifier(Pixels(), 10)).mb_features is not None
    assert run(Strategy, [], model=TinyModel()).mb_features is None
