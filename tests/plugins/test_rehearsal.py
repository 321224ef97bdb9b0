from types import SimpleNamespace

import pytest
import torch
from avalanche.training.plugins import SupervisedPlugin
from avalanche.training.supervised import Naive
from helpers.errors import refused
from helpers.tiny import TinyModel, tiny_dataset
from torch.optim import SGD

from clsim.plugins import Rehearsal
from clsim.plugins.rehearsal import RehearsalBatches
from clsim.streams import ResidentView, incremental
from clsim.training import Strategy


@pytest.fixture(scope="module")
def stream():
    """80 images, then twice 60."""
    return incremental(tiny_dataset(), base_classes=4, ways=3)


class Batches(SupervisedPlugin):
    """Writes down the labels and the pixels of every batch, session by session."""

    def __init__(self):
        super().__init__()
        self.labels, self.images = [], []

    def before_training_exp(self, strategy, **kwargs):
        self.labels.append([])
        self.images.append([])

    def before_forward(self, strategy, **kwargs):
        self.labels[-1].append(strategy.mb_y.clone())
        self.images[-1].append(strategy.mb_x.clone())


def run(stream, kind=Strategy, seed=0, per_class=5, batch_size=32):
    torch.manual_seed(seed)
    rehearsal, batches = Rehearsal(per_class), Batches()
    model = TinyModel()
    optimizer = SGD(model.parameters(), lr=0.01)
    strategy = kind(
        model=model,
        optimizer=optimizer,
        criterion=torch.nn.CrossEntropyLoss(),
        train_mb_size=batch_size,
        train_epochs=2,
        plugins=[rehearsal, batches],
    )
    chosen = []
    for session in stream.train_stream:
        strategy.train(session, eval_streams=[])
        chosen.append({label: indices.clone() for label, indices in rehearsal.chosen.items()})
    return strategy, rehearsal, batches, chosen


def test_images_of_a_class_are_chosen_once(stream):
    _, rehearsal, _, chosen = run(stream)
    assert [len(one) for one in chosen] == [4, 7, 10]
    labels = stream.dataset.train.labels
    for label, indices in rehearsal.chosen.items():
        assert (labels[indices] == label).all()
        assert len(indices.unique()) == 5
    assert all(torch.equal(indices, chosen[2][label]) for label, indices in chosen[0].items())
    assert sorted(rehearsal.indices.tolist()) == sorted(torch.cat(list(chosen[2].values())).tolist())


def test_a_class_with_fewer_images_gives_them_all(stream):
    _, rehearsal, _, _ = run(stream, per_class=50)
    assert {len(indices) for indices in rehearsal.chosen.values()} == {20}


def test_the_first_session_is_one_pass_in_whole_batches(stream):
    _, _, batches, _ = run(stream)
    assert [len(batch) for batch in batches.labels[0]] == [32, 32] * 2  # 80 images an epoch, 16 of them left out


def test_no_image_comes_twice_in_an_epoch_without_memory(stream):
    view = stream.train_stream[0].resident
    rows = list(RehearsalBatches(view, torch.zeros(0, dtype=torch.long), 32, torch.Generator())._indices())
    assert len(torch.cat(rows).unique()) == 64


def test_half_a_batch_is_remembered(stream):
    _, _, batches, _ = run(stream)
    for session, remembered in ((1, 20), (2, 35)):
        old = torch.tensor(sorted(stream.train_stream[session].previous_classes))
        assert len(batches.labels[session]) == 2 * ((60 + remembered) // 32)
        for labels in batches.labels[session]:
            assert len(labels) == 32
            assert torch.isin(labels, old).sum() == 16


def test_no_image_comes_twice_in_a_batch_and_each_batch_is_drawn_from_all(stream):
    view, memory = stream.train_stream[1].resident, stream.train_stream[0].resident.indices[:20]
    rows = list(RehearsalBatches(view, memory, 32, torch.Generator())._indices())
    assert all(len(batch.unique()) == 32 for batch in rows)
    remembered = [set(batch[torch.isin(batch, memory)].tolist()) for batch in rows]
    assert remembered[0] & remembered[1]  # 16 of 20 twice: without drawing anew the second would be the other 4
    assert all(len(one) == 16 for one in remembered)


def test_a_small_memory_is_in_every_batch_whole(stream):
    view = stream.train_stream[1].resident
    rows = list(RehearsalBatches(view, torch.tensor([0, 10, 20]), 32, torch.Generator())._indices())
    assert all({0, 10, 20} <= set(batch.tolist()) and len(batch) == 3 + 16 for batch in rows)


def test_every_stretch_of_a_batch_holds_remembered_and_new_images(stream):
    """CpuDataParallel normalise each stretch of a batch by itself: one of old classes alone would be another method."""
    view, memory = stream.train_stream[1].resident, stream.train_stream[0].resident.indices
    for batch in RehearsalBatches(view, memory, 64, torch.Generator())._indices():
        for stretch in batch.tensor_split(2):
            assert 4 < torch.isin(stretch, memory).sum() < 28


def test_an_odd_batch_has_one_new_image_more(stream):
    view, memory = stream.train_stream[1].resident, stream.train_stream[0].resident.indices
    batch = next(iter(RehearsalBatches(view, memory, 9, torch.Generator())._indices()))
    assert torch.isin(batch, memory).sum() == 4
    assert len(batch) == 9


def test_the_same_seed_gives_the_same_batches_and_another_others(stream):
    first, again, other = (run(stream, seed=seed)[2] for seed in (3, 3, 4))
    flat = [torch.cat([image for session in one.images for image in session]) for one in (first, again, other)]
    assert torch.equal(flat[0], flat[1])
    assert not torch.equal(flat[0], flat[2])


def test_it_leaves_the_global_generator_alone(stream):
    view = stream.train_stream[1].resident
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    rehearsal = Rehearsal(3)
    session = stream.train_stream[1]
    rehearsal.after_training_exp(SimpleNamespace(experience=session))
    list(RehearsalBatches(view, rehearsal.indices, 8, rehearsal.order))
    assert torch.equal(torch.rand(1), expected)


def test_a_stock_avalanche_strategy_sees_the_same_images(stream):
    ours, stock = run(stream), run(stream, Naive)
    assert all(torch.equal(ours[1].chosen[label], stock[1].chosen[label]) for label in range(10))
    for one, other in zip(ours[2].images, stock[2].images, strict=True):
        torch.testing.assert_close(torch.cat(one), torch.cat(other))


def test_remembered_images_are_given_as_they_are(stream):
    strategy, rehearsal, _, _ = run(stream)
    strategy.experience = stream.train_stream[2]
    images, labels = (torch.cat(part) for part in zip(*rehearsal.batches(strategy), strict=True))
    assert torch.equal(labels, stream.dataset.train.labels[rehearsal.indices])
    torch.testing.assert_close(images, stream.dataset.train.pixels[rehearsal.indices] / 255)
    assert list(Rehearsal().batches(strategy)) == []


def test_other_streams_are_sent_to_avalanche():
    strategy = SimpleNamespace(experience=SimpleNamespace(resident=None))
    with refused(TypeError, names=("ReplayPlugin",)):
        Rehearsal().before_training_exp(strategy)


def test_an_epoch_has_at_least_one_batch(stream):
    few = ResidentView(stream.dataset.train, torch.arange(5))
    loader = RehearsalBatches(few, torch.zeros(0, dtype=torch.long), 32, torch.Generator())
    assert [len(labels) for _, labels, _ in loader] == [5]
