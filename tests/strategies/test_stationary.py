import pytest
import torch
from tiny import tiny_dataset

from clsim.errors import UserError
from clsim.metrics.class_accuracy import ClassAccuracy
from clsim.models import dsimplex
from clsim.recipes import find_strategy, load_strategy
from clsim.streams import fscil

SETTINGS = {
    "backbone": "resnet8x4",
    "vertices": 12,
    "base_epochs": 6,
    "base_batch_size": 20,
    "sizes": (8,),
    "crop_padding": 0,
    "epochs": 10,
    "lanes": 1,
}


@pytest.fixture(scope="module")
def stream():
    return fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})


def build(stream, **settings):
    torch.manual_seed(0)
    return load_strategy(find_strategy("stationary"))(stream, **{**SETTINGS, **settings})


def accuracies(strategy, stream):
    metric = ClassAccuracy(10)
    strategy.evaluator.metrics.append(metric)
    found = []
    for session in stream.train_stream:
        strategy.train(session, eval_streams=[])
        seen = session.current_experience + 1
        strategy.eval(stream.test_stream[:seen])
        found.append(metric.counts.accuracy_by_block(stream.class_blocks[:seen]))
    return found


def test_it_learns_new_classes_and_keeps_the_old_ones(stream):
    strategy = build(stream)
    after = accuracies(strategy, stream)
    assert after[0][0] > 0.8
    assert after[-1][0] > after[0][0] - 0.2
    assert min(after[1][1], after[2][2]) > 0.4
    torch.testing.assert_close(strategy.model.head[1].weight, dsimplex(12).flip(0))


def test_only_the_projection_moves_after_the_base_session(stream):
    strategy = build(stream)
    strategy.train(stream.train_stream[0], eval_streams=[])
    before = {name: value.clone() for name, value in strategy.model.state_dict().items()}
    strategy.train(stream.train_stream[1], eval_streams=[])
    moved = {name for name, value in strategy.model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"head.0.weight"}


def test_classes_need_vertices(stream):
    with pytest.raises(UserError, match="no room for 10 classes"):
        build(stream, vertices=9)


def test_the_same_seed_gives_the_same_bytes_in_lanes_too(stream):
    threads = torch.get_num_threads()
    states = []
    for _ in range(2):
        strategy = build(stream, lanes=2, base_epochs=1, epochs=2)
        for session in stream.train_stream[:2]:
            strategy.train(session, eval_streams=[])
        states.append(strategy.model.state_dict())
    torch.set_num_threads(threads)
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.slow
@pytest.mark.real_data("cifar100", "fscil_splits")
def test_cifar100_goes_through_the_standard_lists():
    """A minute of the real thing; the figures of a whole run stand in the README."""
    from clsim.data import load

    stream = fscil(load("cifar100"), base_classes=60, ways=5, shots=5)
    strategy = build(stream, vertices=128, sizes=(16,), crop_padding=4, base_batch_size=128, base_epochs=1, lanes=2)
    strategy.train(stream.train_stream[0], eval_streams=[])
    metric = ClassAccuracy(100)
    strategy.evaluator.metrics.append(metric)
    strategy.eval(stream.test_stream[:1])
    assert metric.counts.accuracy() > 5 / 60
