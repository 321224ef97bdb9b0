import math
from functools import partial

import pytest
import torch
from helpers.errors import refused
from helpers.tiny import TinyModel, tiny_dataset
from torch.nn import functional as F

from clsim.plugins import LossGuard
from clsim.streams import fscil
from clsim.training import Strategy
from clsim.utils.errors import RunFailed


def stream():
    return fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})


class Trouble:
    """A cross-entropy that is something else at some of its calls."""

    def __init__(self, at, value=math.nan):
        self.at, self.value, self.calls = set(at), value, 0

    def __call__(self, logits, labels):
        self.calls += 1
        loss = F.cross_entropy(logits, labels)
        return loss * self.value if self.calls in self.at else loss


def learner(guard, trouble, epochs=2, precision="fp32"):
    torch.manual_seed(0)
    return Strategy(
        model=TinyModel(),
        optimizer=partial(torch.optim.SGD, lr=0.25, momentum=0.9, weight_decay=0.1),
        criterion=trouble,
        train_mb_size=20,  # six steps an epoch
        train_epochs=epochs,
        plugins=[guard],
        precision=precision,
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e30])
def test_stop_tells_where_and_what_would_help(value):
    strategy = learner(LossGuard(advice=lambda: "It is saved."), Trouble([9], value))
    with pytest.raises(RunFailed) as caught:
        strategy.train(stream().train_stream[0], eval_streams=[])
    told = str(caught.value)
    assert "in session 0, epoch 2, iteration 9 of the session, at a learning rate of 0.25" in told
    assert "on_nan" in told
    assert "It is saved." in told
    assert all(bool(parameter.isfinite().all()) for parameter in strategy.model.parameters())


PRECISIONS = pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])


@PRECISIONS
def test_a_step_that_is_skipped_changes_nothing(precision):
    guard, trouble = LossGuard("skip"), Trouble([2, 9])
    strategy, weights = learner(guard, trouble, precision=precision), []
    strategy.after_step = lambda: weights.append(strategy.model.linear.weight.detach().clone())
    strategy.train(stream().train_stream[0], eval_streams=[])
    same = [step for step in range(2, 13) if torch.equal(weights[step - 1], weights[step - 2])]
    assert same == [2, 9]
    assert guard.skipped == 2


def test_ten_steps_in_a_row_may_be_skipped_and_not_one_more():
    learner(LossGuard("skip"), Trouble(range(2, 12))).train(stream().train_stream[0], eval_streams=[])
    with refused(RunFailed, names=("session 0", "10 skipped")):
        learner(LossGuard("skip"), Trouble(range(2, 13))).train(stream().train_stream[0], eval_streams=[])


@PRECISIONS
def test_rewind_gives_back_what_the_epoch_began_with(precision):
    guard, trouble = LossGuard("rewind"), Trouble([9])
    strategy, weights, momenta = learner(guard, trouble, precision=precision), [], []

    def look():
        weight = strategy.model.linear.weight
        weights.append(weight.detach().clone())
        momenta.append(strategy.optimizer.state[weight]["momentum_buffer"].clone())

    strategy.after_step = look
    strategy.train(stream().train_stream[0], eval_streams=[])
    assert guard.rewound == 1
    assert torch.equal(weights[8], weights[5])  # after the first epoch of six steps
    assert torch.equal(momenta[8], momenta[5])
    assert not torch.equal(weights[9], weights[8])


def test_rewind_mends_weights_that_are_broken_already():
    guard = LossGuard("rewind")
    strategy = learner(guard, F.cross_entropy, epochs=3)

    def spoil():
        if (strategy.epoch, strategy.step) == (1, 6):  # the last of its epoch: the next one begins with it
            with torch.no_grad():
                strategy.model.linear.weight.fill_(math.nan)

    strategy.after_step = spoil
    strategy.train(stream().train_stream[0], eval_streams=[])
    assert guard.rewound == 1
    assert bool(strategy.model.linear.weight.isfinite().all())


def test_rewind_gives_up():
    with refused(RunFailed, names=("session 0", "10 rewinds")):
        learner(LossGuard("rewind"), Trouble(range(2, 99)), epochs=3).train(stream().train_stream[0], eval_streams=[])


def test_losses_elsewhere_are_looked_at_many_at_a_time(monkeypatch):
    guard, trouble = LossGuard(), Trouble([3])
    strategy = learner(guard, trouble)
    monkeypatch.setattr(strategy, "device", torch.device("meta"))
    for step, loss in enumerate([1.0, 2.0, math.nan, 1.0] * 20):
        strategy.loss = torch.tensor(loss)
        strategy.experience = stream().train_stream[0]
        if step < 49:
            guard.before_update(strategy)
        else:
            with refused(RunFailed, names=("nan",)):
                guard.before_update(strategy)
            break


def test_its_counts_are_part_of_a_checkpoint():
    guard = LossGuard("rewind")
    strategy = learner(guard, Trouble([3, 9]))
    strategy.train(stream().train_stream[0], eval_streams=[])
    fresh = LossGuard("rewind")
    fresh.load_state_dict(guard.state_dict())
    assert fresh.rewound == 2
    assert torch.equal(fresh.state_dict()["_good"][0]["linear.weight"], guard.state_dict()["_good"][0]["linear.weight"])
