import pytest
import torch
from helpers.errors import refused

from clsim.metrics import flip_rates, relative_negative_flip_rate


def test_flips_counted_by_hand():
    old = torch.tensor([1, 1, 1, 1, 0, 0, 0, 0, 1, 0]).bool()
    new = torch.tensor([1, 0, 0, 1, 1, 0, 0, 0, 0, 0]).bool()
    assert flip_rates(old, new) == (0.3, 0.1)
    assert flip_rates(new, old) == (0.1, 0.3)


def test_no_change_and_every_change():
    old = torch.tensor([True, False])
    assert flip_rates(old, old) == (0.0, 0.0)
    assert flip_rates(old, ~old) == (0.5, 0.5)
    assert flip_rates(torch.ones(4).bool(), torch.zeros(4).bool()) == (1.0, 0.0)


def test_their_difference_is_the_gain_in_accuracy():
    draw = torch.Generator().manual_seed(0)
    old, new = (torch.rand(1000, generator=draw) < share for share in (0.6, 0.7))
    negative, positive = flip_rates(old, new)
    assert positive - negative == pytest.approx(float(new.double().mean() - old.double().mean()))
    assert negative > 0.1


def test_wrong_input_is_refused():
    right = torch.ones(3).bool()
    for other in (right[:2], right[:, None], right[:0]):
        with refused(ValueError, names=("length",)):
            flip_rates(right, other)
    with refused(ValueError, names=("length",)):
        flip_rates(right[:0], right[:0])
    with refused(ValueError, names=("booleans",)):
        flip_rates(right, right.long())
    with refused(ValueError, names=("booleans",)):
        flip_rates(right.long(), right.long())


def test_relative_flips_by_hand():
    old = torch.tensor([1, 1, 1, 1, 0, 0, 0, 0, 1, 0]).bool()
    new = torch.tensor([1, 0, 0, 1, 1, 0, 0, 0, 0, 0]).bool()
    assert relative_negative_flip_rate(old, new) == pytest.approx(0.3 / ((1 - 0.5) * 0.7))


def test_independent_errors_have_a_relative_rate_of_1():
    draw = torch.Generator().manual_seed(0)
    old, new = (torch.rand(200_000, generator=draw) < share for share in (0.6, 0.9))
    assert relative_negative_flip_rate(old, new) == pytest.approx(1.0, abs=0.02)
    assert flip_rates(old, new)[0] == pytest.approx(0.06, abs=0.002)


def test_a_relative_rate_needs_an_old_model_that_is_right_and_a_new_one_that_is_wrong():
    some, none = torch.tensor([True, False]), torch.zeros(2).bool()
    assert relative_negative_flip_rate(none, some) is None
    assert relative_negative_flip_rate(some, ~none) is None
    assert relative_negative_flip_rate(some, some) == 0.0
    assert relative_negative_flip_rate(some, ~some) == 2.0
    with refused(ValueError, names=("length",)):
        relative_negative_flip_rate(some, some[:1])
