import gc
import hashlib
import warnings
import weakref
from functools import partial

import torch
from avalanche.training.plugins import SupervisedPlugin
from helpers.tiny import tiny_dataset
from torch import nn
from torch.optim import SGD, Adam

from clsim.models import EmbeddingClassifier
from clsim.models.replacement_model import ReplacementModel
from clsim.plugins import ModelUpgrade
from clsim.streams import upgrade
from clsim.training import Strategy


class Normed(nn.Module):
    """Pixels times a matrix, batch-normalised."""

    def __init__(self, width=6):
        super().__init__()
        self.num_features = width
        self.linear = nn.Linear(192, width)
        self.norm = nn.BatchNorm1d(width)

    def forward(self, images):
        return self.norm(self.linear(images.flatten(1)))


def digest(model):
    parts = [name.encode() + value.detach().numpy().tobytes() for name, value in model.state_dict().items()]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def held_by(optimizer):
    return {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}


class Watch(SupervisedPlugin):
    """Models and optimisers at every step, session by session."""

    def __init__(self, upgrading):
        super().__init__()
        self.upgrading, self.began, self.steps = upgrading, [], []

    def before_training_exp(self, strategy, **kwargs):
        self.began.append((strategy.model, digest(strategy.model), self.upgrading.old))
        self.steps.append([])

    def after_update(self, strategy, **kwargs):
        old = self.upgrading.old
        frozen = old and not any(parameter.requires_grad for parameter in old.parameters())
        own = held_by(strategy.optimizer) == {id(parameter) for parameter in strategy.model.parameters()}
        modes = None if old is None else {module.training for module in old.modules()}
        self.steps[-1].append((old and digest(old), frozen, modes, own, strategy.model.training))


def run(sessions=3, plugins=()):
    torch.manual_seed(0)
    made = []

    def make(old):
        made.append((old, EmbeddingClassifier(Normed(), old.dimensions + 1, 10)))
        return made[-1][1]

    upgrading = ModelUpgrade(make)
    watch = Watch(upgrading)
    strategy = Strategy(
        model=EmbeddingClassifier(Normed(), 4, 10),
        optimizer=partial(SGD, lr=0.1, momentum=0.9),
        train_mb_size=40,
        train_epochs=2,
        plugins=[upgrading, *plugins, watch],
    )
    ended = []
    for session in upgrade(tiny_dataset(), classes=[4, 6, 10]).train_stream[:sessions]:
        strategy.train(session, eval_streams=[])
        ended.append((strategy.model, digest(strategy.model), upgrading.old))
    return strategy, made, watch, ended


def test_the_first_session_trains_the_model_it_was_given():
    strategy, made, watch, ended = run(sessions=1)
    assert made == []
    assert watch.began[0][0] is strategy.model
    assert watch.began[0][2] is None
    assert [old for old, *_ in watch.steps[0]] == [None] * 4
    assert ended[0][1] != watch.began[0][1]


def test_every_later_session_trains_a_new_model():
    strategy, made, watch, ended = run()
    assert [old for old, _ in made] == [ended[0][0], ended[1][0]]
    assert [model for model, *_ in watch.began[1:]] == [model for _, model in made]
    assert [model for model, *_ in ended[1:]] == [model for _, model in made]
    assert strategy.model.dimensions == 6
    assert all(after[1] != before[1] for before, after in zip(watch.began, ended, strict=True))
    assert all(training for session in watch.steps for *_, training in session)


def test_the_optimiser_has_the_parameters_of_the_new_model_and_no_others():
    _, _, watch, _ = run()
    assert all(own for session in watch.steps for _, _, _, own, _ in session)


def test_an_optimiser_that_lives_on_forgets_the_old_model():
    torch.manual_seed(0)
    first = EmbeddingClassifier(Normed(), 4, 10)
    kept = Adam(first.parameters(), lr=0.01)
    strategy = Strategy(
        model=first,
        optimizer=kept,
        train_mb_size=40,
        plugins=[ModelUpgrade(lambda old: EmbeddingClassifier(Normed(), 4, 10))],
    )
    for session in upgrade(tiny_dataset(), classes=[4, 10]).train_stream:
        strategy.train(session, eval_streams=[])
    own = {id(parameter) for parameter in strategy.model.parameters()}
    assert strategy.optimizer is kept
    assert held_by(kept) == own
    assert {id(parameter) for parameter in kept.state} == own


def test_the_old_model_is_frozen_in_evaluation_mode_and_unchanged():
    _, _, watch, ended = run()
    for session in (1, 2):
        assert watch.began[session][2] is ended[session - 1][0]
        assert len(watch.steps[session]) == (6, 10)[session - 1]
        for state, frozen, modes, _, _ in watch.steps[session]:
            assert state == ended[session - 1][1]
            assert frozen
            assert modes == {False}


def test_the_old_model_is_gone_after_the_session():
    strategy, _, _, ended = run()
    assert [old for *_, old in ended] == [None] * 3
    assert strategy.model.training


def test_nothing_keeps_the_old_model_alive():
    torch.manual_seed(0)
    strategy = Strategy(
        model=EmbeddingClassifier(Normed(), 4, 10),
        optimizer=partial(SGD, lr=0.1),
        train_mb_size=40,
        plugins=[ModelUpgrade(lambda old: EmbeddingClassifier(Normed(), 4, 10))],
    )
    stream = upgrade(tiny_dataset(), classes=[4, 10])
    strategy.train(stream.train_stream[0], eval_streams=[])
    old = weakref.ref(strategy.model)
    strategy.train(stream.train_stream[1], eval_streams=[])
    gc.collect()
    assert old() is None


def test_plugins_after_it_find_the_old_model_when_the_session_begins():
    class Asks(SupervisedPlugin):
        def __init__(self):
            super().__init__()
            self.found = []

        def before_training_exp(self, strategy, **kwargs):
            first = next(plugin for plugin in strategy.plugins if isinstance(plugin, ModelUpgrade))
            self.found.append((first.old is None, first.old is strategy.model))

    asking = Asks()
    run(plugins=[asking])
    assert asking.found == [(True, False), (False, False), (False, False)]


def test_avalanche_has_nothing_to_object_to():
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        run(sessions=2)


def test_a_model_that_is_loaded_stays_as_it_is_and_is_the_old_model_of_the_next():
    arrival = ReplacementModel("old", Normed(9))
    before, epochs = arrival.sha256, []

    class Counts(SupervisedPlugin):
        def after_training_epoch(self, strategy, **kwargs):
            epochs.append(strategy.experience.current_experience)

    torch.manual_seed(0)
    stream = upgrade(tiny_dataset(), classes=[4, 6, 10], load=[arrival, None, arrival])
    upgrading = ModelUpgrade(lambda old: EmbeddingClassifier(Normed(), old.dimensions + 1, 10))
    strategy = Strategy(
        model=EmbeddingClassifier(Normed(), 4, 10),
        optimizer=partial(SGD, lr=0.1),
        train_mb_size=40,
        train_epochs=2,
        plugins=[upgrading, Counts()],
    )
    widths = []
    for session in stream.train_stream:
        strategy.train(session, eval_streams=[])
        widths.append(strategy.model.dimensions)
    assert widths == [9, 10, 9]
    assert epochs == [1, 1]
    assert ReplacementModel("new", strategy.model.backbone).sha256 == before == arrival.sha256


def test_a_loaded_models_classifier_are_its_class_means():
    torch.manual_seed(0)
    stream = upgrade(tiny_dataset(), classes=[4, 6], load=[ReplacementModel("old", Normed(9).eval()), None])
    strategy = Strategy(
        model=EmbeddingClassifier(Normed(), 4, 10),
        optimizer=partial(SGD, lr=0.1),
        plugins=[ModelUpgrade(lambda old: EmbeddingClassifier(Normed(), 9, 10))],
    )
    session = stream.train_stream[0]
    strategy.train(session, eval_streams=[])
    images = session.resident.images.pixels[session.resident.indices].float() / 255
    with torch.no_grad():
        features = strategy.model.eval().embed(images)
    for label in range(4):
        mean = nn.functional.normalize(features[session.resident.labels == label].mean(0), dim=0)
        torch.testing.assert_close(strategy.model.classifier[label].detach(), mean)
