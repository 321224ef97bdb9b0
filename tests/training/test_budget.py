"""Budgets: the same steps or images for every strategy, whatever its epochs and batches; schedules end with them."""

from functools import partial
from itertools import islice

import pytest
import torch
from avalanche.training.plugins import SupervisedPlugin
from helpers.errors import refused
from helpers.tiny import TinyModel, tiny_dataset, tiny_images
from hypothesis import given
from hypothesis import strategies as st

from clsim.plugins import BaseSession, OneCycle, Rehearsal, SessionBudget, WarmupCosine
from clsim.plugins.rehearsal import RehearsalBatches
from clsim.streams import fscil
from clsim.streams.session import ResidentView
from clsim.training import Strategy
from clsim.training.budget import Pass, epochs_of_images, epochs_of_steps, extent_of, repeated
from clsim.training.loaders import ResidentBatches
from clsim.utils.errors import ArgumentError


class Seen(SupervisedPlugin):
    """Notes the images and learning rates of every step."""

    def __init__(self):
        super().__init__()
        self.sizes, self.rates, self.epochs = [], [], []

    def before_training_exp(self, strategy, **kwargs):
        self.sizes, self.rates, self.epochs = [], [], []

    def after_training_iteration(self, strategy, **kwargs):
        self.sizes.append(len(strategy.mb_y))
        self.rates.append(strategy.optimizer.param_groups[0]["lr"])

    def after_training_epoch(self, strategy, **kwargs):
        self.epochs.append(len(self.sizes))


def stream():
    return fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})


def learner(*plugins, **settings):
    torch.manual_seed(0)
    given = {"train_mb_size": 7, "train_epochs": 4, "optimizer": partial(torch.optim.SGD, lr=0.1), **settings}
    return Strategy(model=TinyModel(), plugins=plugins, **given)


@given(st.integers(1, 200), st.integers(1, 60))
def test_steps_are_shared_out_evenly_and_add_up(steps, epochs):
    shares = epochs_of_steps(steps, epochs)
    assert len(shares) == epochs
    assert sum(shares) == steps
    assert max(shares) - min(shares) <= 1
    assert shares[0] >= 1


@given(st.integers(1, 500), st.integers(1, 20), st.integers(1, 90), st.integers(1, 40))
def test_images_are_reached_by_less_than_a_batch_more(images, epochs, size, batch_size):
    """The reference counts the images of batches cut from passes, one by one."""
    view = ResidentView(tiny_images(9), torch.arange(size))
    loader = ResidentBatches(view, batch_size)
    shares = epochs_of_images(images, epochs, loader.extent)
    trained = sum(len(batch[1]) for share in shares for batch in islice(repeated(loader), share))
    assert images <= trained < images + batch_size


@pytest.mark.parametrize("remembered", [0, 3, 40])
def test_a_rehearsal_knows_the_images_of_a_pass(remembered):
    view = ResidentView(tiny_images(9), torch.arange(50, 75))
    for batch_size in (4, 16, 64):
        loader = RehearsalBatches(view, torch.arange(remembered), batch_size, torch.Generator())
        sizes = [len(batch[1]) for batch in loader]
        assert loader.extent == Pass(sum(sizes), len(sizes), max(sizes) if remembered else batch_size)


def test_every_session_has_the_steps_of_its_budget():
    seen = Seen()
    strategy = learner(
        BaseSession(epochs=3, train_mb_size=50),
        SessionBudget(steps=11, later=False),
        SessionBudget(steps=6, base=False),
        seen,
    )
    counts = []
    for session in stream().train_stream:
        strategy.train(session, eval_streams=[])
        counts.append((len(seen.sizes), seen.epochs))
    assert counts == [(11, [4, 8, 11]), (6, [2, 3, 5, 6]), (6, [2, 3, 5, 6])]


@pytest.mark.parametrize("rehearsed", [False, True])
def test_every_session_has_the_images_of_its_budget(rehearsed):
    strategy = learner(*([Rehearsal(3)] if rehearsed else []), SessionBudget(images=100))
    for session in stream().train_stream:
        strategy.train(session, eval_streams=[])
        assert 100 <= strategy.images_trained < 107


def test_a_budget_of_the_strategy_s_own_steps_changes_nothing():
    one, other = Seen(), Seen()
    plain, limited = learner(one), learner(other, SessionBudget(steps=72))
    for strategy in (plain, limited):
        strategy.train(stream().train_stream[0], eval_streams=[])  # 120 images: 18 batches, 4 epochs
    assert one.sizes == other.sizes
    for ours, theirs in zip(plain.model.parameters(), limited.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_schedules_by_steps_and_by_epochs_end_with_the_budget():
    seen = Seen()
    strategy = learner(OneCycle(max_lr=1.0, later_lr=1.0, warmup=0.5), SessionBudget(steps=10), seen)
    strategy.train(stream().train_stream[0], eval_streams=[])
    assert seen.rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0, 0.8, 0.6, 0.4, 0.2])
    seen = Seen()
    cosine = WarmupCosine(max_lr=1.0, min_lr=0.0, warmup=0, cycle=4)
    strategy = learner(cosine, SessionBudget(steps=2 * 4), seen)
    strategy.train(stream().train_stream[0], eval_streams=[])
    assert seen.rates == pytest.approx([1.0, 1.0, 0.853553, 0.853553, 0.5, 0.5, 0.146447, 0.146447], rel=1e-5)


def test_a_strategy_without_training_is_not_affected():
    strategy = learner(SessionBudget(steps=5), optimizer=None, train_epochs=0)
    strategy.train(stream().train_stream[0], eval_streams=[])
    assert strategy.images_trained == 0


def test_mistakes_are_named():
    with refused(ArgumentError, names=["steps", "images"]):
        SessionBudget()
    with refused(ArgumentError, names=["steps", "images"]):
        SessionBudget(steps=1, images=1)
    with refused(ArgumentError, names=["generator", "images"]):
        extent_of((batch for batch in ()), None, 4)
    with refused(ArgumentError, names=["steps = 5", "plans 6"]):
        learner(SessionBudget(steps=5), SessionBudget(steps=6)).train(stream().train_stream[0], eval_streams=[])
