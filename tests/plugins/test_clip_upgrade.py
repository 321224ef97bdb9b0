import gc
import weakref
from functools import partial

import torch
from avalanche.training.plugins import SupervisedPlugin
from helpers.tiny import tiny_captions, tiny_clip
from torch.optim import SGD

from clsim.losses import no_loss
from clsim.models import ImageTextModel, Projection
from clsim.models.replacement_model import ReplacementClip
from clsim.plugins import ClipUpgrade
from clsim.streams import text_upgrade
from clsim.training import Strategy


class Watch(SupervisedPlugin):
    """What every session begins with, and its steps; pulls at the model's projection so that there are some."""

    def __init__(self, upgrading):
        super().__init__()
        self.upgrading, self.began, self.steps = upgrading, [], []

    def before_training_exp(self, strategy, **kwargs):
        self.began.append((strategy.model, self.upgrading.old, strategy.train_epochs))
        self.steps.append([])

    def before_backward(self, strategy, **kwargs):
        old = self.upgrading.old
        learning = old is not None and any(value.requires_grad for value in old.parameters())
        modes = {module.training for module in old.modules()}
        self.steps[-1].append((old, learning, modes, strategy.model.training))
        strategy.loss = strategy.loss + strategy.mb_output[:, 0].sum()


def stream(sessions=3):
    widths = (12, 20, 16)
    models = [ReplacementClip(f"m{n}", tiny_clip(seed=n, embed_dim=widths[n])) for n in range(sessions)]
    return text_upgrade(tiny_captions(), load=models)


def composed(given):
    made = []

    def make(clip, old):
        model = ImageTextModel(clip)
        model.projection = Projection(model.width, old.features)
        made.append((clip, weakref.ref(old), model))
        return model

    upgrading = ClipUpgrade(given.models, make)
    watch = Watch(upgrading)
    strategy = Strategy(
        model=ImageTextModel(given.models[0].clip),
        optimizer=partial(SGD, lr=0.1),
        criterion=no_loss,
        train_mb_size=6,
        train_epochs=3,
        plugins=[upgrading, watch],
    )
    return strategy, upgrading, watch, made


def test_session_0_trains_nothing_and_later_ones_swap_the_model():
    given = stream()
    strategy, upgrading, watch, made = composed(given)
    first, ended = strategy.model, []
    for session in given.train_stream:
        strategy.train(session, eval_streams=[])
        assert upgrading.old is None
        assert strategy.train_epochs == 3
        ended.append(strategy.model)
    assert ended[0] is first
    assert [len(steps) for steps in watch.steps] == [0, 6, 6]
    assert [epochs for *_, epochs in watch.began] == [0, 3, 3]
    assert [clip for clip, *_ in made] == [arrival.clip for arrival in given.models[1:]]
    assert [old() for _, old, _ in made] == ended[:2]
    assert [model for *_, model in made] == ended[1:]
    assert [model.features for model in ended] == [12, 12, 12]
    assert [model.width for model in ended] == [12, 20, 16]


def test_the_old_model_is_frozen_in_evaluation_mode_while_the_new_one_learns():
    given = stream()
    strategy, _, watch, _ = composed(given)
    models = []
    for session in given.train_stream:
        strategy.train(session, eval_streams=[])
        models.append((strategy.model, [value.clone() for value in strategy.model.parameters()]))
    assert [old for _, old, _ in watch.began] == [None, models[0][0], models[1][0]]
    for session in (1, 2):
        for old, learning, modes, training in watch.steps[session]:
            assert old is models[session - 1][0]
            assert (learning, modes, training) == (False, {False}, True)
    for model, values in models:
        assert all(torch.equal(now, then) for now, then in zip(model.parameters(), values, strict=True))


def test_a_number_of_epochs_set_between_sessions_holds():
    given = stream()
    strategy, _, watch, _ = composed(given)
    strategy.train(given.train_stream[0], eval_streams=[])
    strategy.train_epochs = 1
    strategy.train(given.train_stream[1], eval_streams=[])
    assert len(watch.steps[1]) == 2


def test_nothing_keeps_the_old_model_alive():
    given = stream()
    strategy, _, watch, made = composed(given)
    strategy.plugins.remove(watch)
    strategy.train_epochs = 0  # there is nothing to lower any more
    for session in given.train_stream[:2]:
        strategy.train(session, eval_streams=[])
    gc.collect()
    assert made[0][1]() is None
