from functools import partial

import pytest
import torch
from avalanche.training import Naive
from avalanche.training.plugins import EvaluationPlugin, SupervisedPlugin
from helpers.tiny import TinyModel, tiny_dataset

from clsim.losses import EXCLUDED
from clsim.plugins import ClassScope
from clsim.streams import fscil
from clsim.training import Strategy


class Outputs(SupervisedPlugin):
    """Writes down which classes took part."""

    def __init__(self):
        super().__init__()
        self.training, self.evaluation = [], []

    @staticmethod
    def kept(strategy):
        return set((strategy.mb_output[0] > EXCLUDED / 2).nonzero().flatten().tolist())

    def before_backward(self, strategy, **kwargs):
        self.training.append(self.kept(strategy))

    def after_eval_iteration(self, strategy, **kwargs):
        self.evaluation.append(self.kept(strategy))


class Scored(TinyModel):
    """A model that can be told which classes to score."""

    def __init__(self):
        super().__init__()
        self.told = []

    def score_only(self, classes):
        self.told.append(None if classes is None else classes.tolist())


def learn(template, scope, model=None):
    stream = fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})
    outputs, model = Outputs(), model or TinyModel()
    optimizer = partial(torch.optim.SGD, lr=0.1)
    strategy = template(
        model=model,
        optimizer=optimizer if template is Strategy else optimizer(model.parameters()),
        train_mb_size=200,
        eval_mb_size=200,
        train_epochs=1,
        plugins=[scope, outputs],
        evaluator=EvaluationPlugin(),
    )
    for session in stream.train_stream:
        strategy.train(session, eval_streams=[])
        strategy.eval(stream.test_stream[: session.current_experience + 1])
    return outputs


@pytest.mark.parametrize("template", [Strategy, Naive])
def test_current_classes_in_training_and_seen_ones_in_evaluation(template):
    outputs = learn(template, ClassScope("current", "seen"))
    assert outputs.training == [set(range(6)), {6, 7}, {8, 9}]
    seen = [set(range(6)), set(range(8)), set(range(10))]
    assert outputs.evaluation == [seen[0], seen[1], seen[1], seen[2], seen[2], seen[2]]


def test_wider_scopes():
    outputs = learn(Strategy, ClassScope("seen", "all"))
    assert outputs.training == [set(range(6)), set(range(8)), set(range(10))]
    assert outputs.evaluation == [set(range(10))] * 6


def test_a_model_that_can_is_told_beforehand():
    model = Scored()
    learn(Strategy, ClassScope("current", "seen"), model)
    base, first = list(range(6)), list(range(8))
    assert model.told[:5] == [base, base, base, [6, 7], first]


def test_evaluation_in_the_middle_of_a_session_gives_the_training_scope_back():
    stream = fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})
    outputs = Outputs()
    strategy = Strategy(
        model=TinyModel(),
        optimizer=partial(torch.optim.SGD, lr=0.1),
        train_mb_size=200,
        train_epochs=2,
        eval_every=1,
        plugins=[ClassScope("current", "seen"), outputs],
    )
    strategy.train(stream.train_stream[:2], eval_streams=[stream.test_stream[:1]])
    assert outputs.training == [set(range(6))] * 2 + [{6, 7}] * 2
