"""Held-out training images: a share of every class, by a separate seed."""

import pytest
import torch
from helpers.errors import refused
from helpers.tiny import Untouchable, tiny_dataset

from clsim.data.core.held_out import held_out, kept_images
from clsim.data.core.images import DataSet


@pytest.fixture
def dataset():
    whole = tiny_dataset()
    return DataSet("tiny", whole.train, Untouchable(whole.train.class_names))


@pytest.mark.parametrize(("share", "each"), [(0.2, 4), (0.01, 1), (0.99, 19), (0.5, 10)])
def test_so_many_of_every_class(dataset, share, each):
    split = held_out(dataset, share, 0)
    assert split.test.labels.bincount().tolist() == [each] * 10
    assert split.train.labels.bincount().tolist() == [20 - each] * 10
    kept = kept_images(dataset, share, 0)
    assert torch.equal(split.train.pixels, dataset.train.pixels[kept])
    assert torch.equal(split.test.pixels, dataset.train.pixels[~kept])
    assert split.test.class_names == dataset.class_names


def test_only_of_the_classes_asked_for_and_the_same_ones_as_of_all(dataset):
    everything, some = kept_images(dataset, 0.3, 5), kept_images(dataset, 0.3, 5, {2, 7})
    mine = torch.isin(dataset.train.labels, torch.tensor([2, 7]))
    assert bool(some[~mine].all())
    assert torch.equal(some[mine], everything[mine])


def test_the_seed_draws_and_nothing_else_does(dataset):
    before = torch.random.get_rng_state()
    assert torch.equal(kept_images(dataset, 0.3, 5), kept_images(dataset, 0.3, 5))
    assert not torch.equal(kept_images(dataset, 0.3, 5), kept_images(dataset, 0.3, 6))
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_class_of_one_image_cannot_be_split(dataset):
    one = DataSet("tiny", dataset.train.subset(range(11)), dataset.test)  # two of class 0, one of every other
    with refused(where="validation.share", names=("class 1", "tiny")):
        held_out(one, 0.5, 0)
    assert len(held_out(one, 0.5, 0, {0}).test) == 1
