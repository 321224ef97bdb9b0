import random

import numpy as np
import pytest
import torch
from helpers.tiny import TinyModel
from torch import nn

from clsim.plugins import BaseSession
from clsim.training import Strategy
from clsim.utils.seeding import composed, initialized, seed_everything, seeded


def draws():
    return [random.random(), float(np.random.rand()), float(torch.rand(1))]


def test_seeded_draws_by_its_seed_and_gives_the_generators_back():
    seed_everything(5)
    inside = draws()
    seed_everything(1)
    expected = [draws(), draws()]
    seed_everything(1)
    found = [draws()]
    with pytest.raises(RuntimeError, match="broken"), seeded(5):
        assert torch.initial_seed() == 5
        assert draws() == inside
        raise RuntimeError("broken")
    assert torch.initial_seed() == 1
    assert [*found, draws()] == expected


class Extra(BaseSession):
    """A plugin with a module and a generator of its own, and a number that it drew."""

    def __init__(self):
        super().__init__(epochs=1, train_mb_size=4)
        self.module = nn.Linear(2, 2)
        self.generator = torch.Generator().manual_seed(torch.initial_seed() + 1)
        self.drawn = random.random()


class Turned(TinyModel):
    """With a buffer that is drawn and not stored."""

    def __init__(self):
        super().__init__()
        self.register_buffer("turn", torch.rand(3), persistent=False)


def compose():
    model = Turned()
    return Strategy(model=model, optimizer=torch.optim.SGD(model.parameters(), lr=0.1), plugins=[Extra()])


def test_composed_is_that_of_the_order_with_the_weights_of_the_initialization():
    weights = composed(compose, order=2, initialization=None)
    usual = composed(compose, order=1, initialization=None)
    expected = draws()
    given = composed(compose, order=1, initialization=2)
    assert draws() == expected
    assert torch.initial_seed() == 1
    for strategy in (given, usual):
        assert (strategy.order.initial_seed(), strategy.plugins[0].generator.initial_seed()) == (1, 2)
        assert strategy.plugins[0].drawn == usual.plugins[0].drawn
    for of in (
        lambda strategy: strategy.model.linear.weight,
        lambda strategy: strategy.model.turn,
        lambda strategy: strategy.plugins[0].module.weight,
    ):
        assert torch.equal(of(given), of(weights))
        assert not torch.equal(of(given), of(usual))
    assert given.optimizer.param_groups[0]["params"][0] is given.model.linear.weight
    assert all(parameter.requires_grad and parameter.grad is None for parameter in given.model.parameters())
    assert (usual.initialization, given.initialization) == (None, 2)


def test_weights_of_different_shapes_are_an_error_rather_than_half_taken():
    widths = iter([3, 4])

    def grows():
        return Strategy(model=nn.Linear(2, next(widths)))

    with pytest.raises(RuntimeError, match="size"):
        composed(grows, order=1, initialization=2)


def test_what_is_made_amid_a_run_goes_by_the_seed_of_initialisation_alone():
    strategy, made = Strategy(model=TinyModel()), []

    def make():
        made.append(torch.rand(4))
        return made[-1]

    def found(name, global_seed):
        torch.manual_seed(global_seed)
        return initialized(strategy, name, make), float(torch.rand(1))

    usual, after = found("session 1", 1)
    assert len(made) == 1
    assert usual is made[0]
    strategy.initialization = 7
    (one, after_one), (again, _), (other, _) = found("session 1", 1), found("session 1", 2), found("session 2", 1)
    assert after_one == after
    assert torch.equal(one, again)
    assert not torch.equal(one, usual)
    assert not torch.equal(one, other)
    strategy.initialization = 8
    assert not torch.equal(found("session 1", 1)[0], one)


def test_strategies_of_avalanche_have_no_seed_of_initialisation():
    assert initialized(object(), "session 1", lambda: 3) == 3
