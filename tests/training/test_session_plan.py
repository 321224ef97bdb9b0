"""Epochs and batch size of a session have one owner."""

import pytest
import torch
from avalanche.training import Naive
from avalanche.training.plugins import EvaluationPlugin, SupervisedPlugin
from helpers.errors import refused
from helpers.tiny import TinyModel, tiny_dataset

from clsim.plugins import BaseSession
from clsim.streams import fscil
from clsim.training import SessionPlan, SessionPlanner, Strategy
from clsim.training.session_plan import merge_plans
from clsim.utils.errors import ArgumentError


class Plans(SessionPlanner):
    def __init__(self, **plan):
        super().__init__()
        self.given = SessionPlan(**plan)

    def plan(self, session):
        return self.given


class Seen(SupervisedPlugin):
    def __init__(self):
        super().__init__()
        self.seen = []

    def before_training_exp(self, strategy, **kwargs):
        self.seen.append((strategy.train_epochs, strategy.train_mb_size))


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.1)


def stream():
    return fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})


def strategy(*plugins):
    return Strategy(model=TinyModel(), optimizer=sgd, train_mb_size=4, train_epochs=2, plugins=plugins)


@pytest.mark.parametrize("template", [Strategy, Naive])
def test_a_plan_holds_for_its_session_in_any_template(template):
    seen, model = Seen(), TinyModel()
    optimizer = sgd if template is Strategy else sgd(model.parameters())
    learner = template(
        model=model,
        optimizer=optimizer,
        train_mb_size=4,
        train_epochs=2,
        plugins=[BaseSession(epochs=1, train_mb_size=60), seen],
        evaluator=EvaluationPlugin(),
    )
    for session in stream().train_stream:
        learner.train(session, eval_streams=[])
    assert seen.seen == [(1, 60), (2, 4), (2, 4)]
    assert (learner.train_epochs, learner.train_mb_size) == (2, 4)


def test_two_plans_of_a_session_must_agree():
    session = stream().train_stream[0]
    with refused(ArgumentError, names=("session 0", "Plans", "BaseSession", "epochs = 3", 0)):
        strategy(BaseSession(epochs=3, train_mb_size=60), Plans(epochs=0)).train(session, eval_streams=[])
    agreed = merge_plans([Plans(epochs=3), Plans(epochs=3, train_mb_size=5), Plans()], session)
    assert agreed == SessionPlan(3, 5)


def test_the_plan_of_a_session_that_failed_does_not_stay():
    class Fails(SupervisedPlugin):
        def before_training_epoch(self, strategy, **kwargs):
            if strategy.experience.current_experience == 0:
                raise RuntimeError("stopped")

    seen, sessions = Seen(), stream().train_stream
    learner = strategy(BaseSession(epochs=1, train_mb_size=60), seen, Fails())
    with pytest.raises(RuntimeError, match="stopped"):
        learner.train(sessions[0], eval_streams=[])
    learner.train(sessions[1], eval_streams=[])
    assert seen.seen == [(1, 60), (2, 4)]


def test_what_another_plugin_sets_remains():
    class Sets(SupervisedPlugin):
        def before_training_exp(self, strategy, **kwargs):
            strategy.train_epochs = 1

    learner = strategy(Sets(), Plans(train_mb_size=30))
    learner.train(stream().train_stream[0], eval_streams=[])
    assert (learner.train_epochs, learner.train_mb_size) == (1, 4)


def test_batch_sizes_name_that_of_the_base_session():
    first = stream().train_stream[0]
    learner = strategy(BaseSession(epochs=1, train_mb_size=60))
    assert learner.batch_sizes() == {"base": 4, "train": 4, "eval": 256}
    assert learner.batch_sizes(first) == {"base": 60, "train": 4, "eval": 256}
    assert learner.session_plan(first) == SessionPlan(1, 60)
