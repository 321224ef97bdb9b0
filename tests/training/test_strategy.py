import warnings
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from avalanche.benchmarks import nc_benchmark
from avalanche.training import Naive
from avalanche.training.plugins import (
    AGEMPlugin,
    EvaluationPlugin,
    EWCPlugin,
    LwFPlugin,
    ReplayPlugin,
    SupervisedPlugin,
)
from helpers.tiny import TinyModel, tiny_dataset
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from clsim.metrics.class_accuracy import ClassAccuracy
from clsim.plugins import ClassScope, Progress
from clsim.streams import fscil
from clsim.training import ResidentBatches, Strategy
from clsim.training.loaders import length
from clsim.utils.training_events import SessionStarted

SGD = partial(torch.optim.SGD, lr=0.1)


def stream():
    return fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})


def strategy(**settings) -> Strategy:
    torch.manual_seed(0)
    return Strategy(**{"model": TinyModel(), "optimizer": SGD, "train_mb_size": 20, "train_epochs": 3, **settings})


class Calls(SupervisedPlugin):
    """Writes down the order of every callback."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        if name.startswith(("before_", "after_")):
            return lambda *args, **kwargs: self.seen.append(name)
        return found


for _name in [name for name in dir(SupervisedPlugin) if name.startswith(("before_", "after_"))]:
    setattr(Calls, _name, lambda self, *args, **kwargs: None)  # so that each counts as listened to


def test_callbacks_come_in_avalanches_order():
    orders = []
    for template in (Strategy, Naive):
        calls, model = Calls(), TinyModel()
        learner = template(
            model=model,
            optimizer=SGD if template is Strategy else SGD(model.parameters()),
            train_mb_size=60,
            train_epochs=2,
            eval_mb_size=30,
            plugins=[calls],
            evaluator=EvaluationPlugin(),
        )
        learner.train(stream().train_stream[0], eval_streams=[])
        learner.eval(stream().test_stream[:2])
        orders.append(calls.seen)
    assert len(orders[0]) > 50
    assert orders[0] == orders[1]


@pytest.mark.parametrize(
    "plugin",
    [
        lambda: ReplayPlugin(mem_size=30),
        lambda: LwFPlugin(alpha=1, temperature=2),
        lambda: EWCPlugin(10.0),
        lambda: AGEMPlugin(2, 5),
    ],
    ids=["replay", "lwf", "ewc", "agem"],
)
def test_avalanche_plugins_do_in_it_what_they_do_at_home(plugin):
    """The same plugin, stream and start: what it adds to plain training is the same in both templates."""
    final = {}
    for template in (Strategy, Naive):
        torch.manual_seed(0)
        model = TinyModel()
        metric = ClassAccuracy(10)
        learner = template(
            model=model,
            optimizer=SGD if template is Strategy else SGD(model.parameters()),
            train_mb_size=200,  # one batch a session, whose order does not matter
            train_epochs=8,
            eval_mb_size=100,
            plugins=[plugin()],
            evaluator=EvaluationPlugin(metric),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for session in stream().train_stream:
                learner.train(session, eval_streams=[])
        learner.eval(stream().test_stream)
        final[template] = (model.linear.weight.detach().clone(), metric.counts.accuracy())
    difference = (final[Strategy][0] - final[Naive][0]).abs().max()
    if isinstance(plugin(), (LwFPlugin, EWCPlugin)):
        assert difference < 1e-4  # these two draw nothing at random
    assert abs(final[Strategy][1] - final[Naive][1]) <= 0.1


def test_replay_remembers_what_plain_training_forgets():
    accuracy = {}
    for name, plugins in {"plain": [], "replay": [ReplayPlugin(mem_size=60)]}.items():
        metric = ClassAccuracy(10)
        learner = strategy(train_epochs=20, plugins=plugins, metrics=[metric])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            learner.train(stream().train_stream, eval_streams=[])
        learner.eval(stream().test_stream[:1])
        accuracy[name] = metric.counts.accuracy()
    assert accuracy["replay"] > accuracy["plain"] + 0.3


def test_trains_on_a_stream_that_is_not_clsims():
    images = torch.rand(40, 3, 8, 8)
    data = TensorDataset(images, torch.arange(40) % 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        benchmark = nc_benchmark(data, data, n_experiences=2, task_labels=False, seed=0)
        learner = strategy()
        learner.train(benchmark.train_stream, eval_streams=[])
    assert learner.clock.train_exp_counter == 2


class Endless:
    """A loader that does not know its length, as one of generated data does not."""

    def __iter__(self):
        yield from ([torch.rand(4, 3, 8, 8), torch.arange(4), torch.zeros(4, dtype=torch.long)] for _ in range(3))


class Brings(SupervisedPlugin):
    def __init__(self, loader):
        super().__init__()
        self.loader = loader

    def before_training_exp(self, strategy, **kwargs):
        strategy.dataloader = self.loader


def test_a_loader_need_not_know_its_length():
    heard = []
    listener = SimpleNamespace(on_event=heard.append)
    learner = strategy(plugins=[Brings(Endless()), Progress(listener)])
    learner.train(stream().train_stream[0], eval_streams=[])
    assert learner.clock.train_iterations == 3 * 3
    # As many steps as the session's own images would make.
    assert heard[0] == SessionStarted(session=0, new_classes=6, images=120, epochs=3, steps=3 * 6)


def test_the_length_of_a_loader():
    class Made(IterableDataset):
        def __iter__(self):
            yield from range(5)

    assert length([1, 2]) == 2
    assert length(Endless()) is None
    assert length(DataLoader(Made())) is None


def test_resident_batches_cover_the_session_once_in_a_drawn_order():
    view = stream().train_stream[0].resident
    batches = list(ResidentBatches(view, 50, torch.Generator().manual_seed(1)))
    assert [len(batch[0]) for batch in batches] == [50, 50, 20]
    drawn = torch.cat([batch[0] for batch in batches])
    assert drawn.dtype == torch.uint8
    kept = torch.cat([batch[0] for batch in ResidentBatches(view, 50)])
    torch.testing.assert_close(kept, view.images.pixels[view.indices])
    assert not torch.equal(drawn, kept)
    assert sorted(map(bytes, drawn.flatten(1).numpy())) == sorted(map(bytes, kept.flatten(1).numpy()))
    assert all(set(batch[2].tolist()) == {0} for batch in batches)


def test_data_order_follows_the_seed_and_spares_the_global_generator():
    orders = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        model = TinyModel()
        learner = Strategy(model=model, optimizer=SGD, train_mb_size=20)
        before = torch.get_rng_state()
        learner.train(stream().train_stream[0], eval_streams=[])
        assert torch.equal(torch.get_rng_state(), before)
        orders.append(model.linear.weight.detach().clone())
    assert torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[0], orders[2])


class Partly(TinyModel):
    def __init__(self):
        super().__init__()
        self.frozen = nn.Linear(3, 3).requires_grad_(False)


def test_only_trainable_parameters_reach_the_optimiser():
    learner = strategy(model=Partly())
    learner.train(stream().train_stream[0], eval_streams=[])
    assert sum(len(group["params"]) for group in learner.optimizer.param_groups) == 2
    model = Partly()
    given = torch.optim.Adam(model.parameters(), lr=0.01)
    learner = strategy(model=model, optimizer=given)
    learner.train(stream().train_stream[0], eval_streams=[])
    assert learner.optimizer is given
    assert {id(p) for group in given.param_groups for p in group["params"]} == {
        id(p) for p in model.linear.parameters()
    }
    assert len(given.state) == 2


def test_a_made_optimiser_is_new_in_every_session_and_a_given_one_lives_on():
    learner = strategy(optimizer=partial(torch.optim.SGD, lr=0.1, momentum=0.9))
    learner.train(stream().train_stream[0], eval_streams=[])
    first = learner.optimizer
    learner.train(stream().train_stream[1], eval_streams=[])
    assert learner.optimizer is not first


def test_nothing_to_train_is_no_error():
    model = TinyModel().requires_grad_(False)
    before = model.linear.weight.clone()
    metric = ClassAccuracy(10)
    learner = strategy(model=model, optimizer=None, train_epochs=0, metrics=[metric])
    learner.train(stream().train_stream[0], eval_streams=[])
    learner.eval(stream().test_stream)
    assert torch.equal(model.linear.weight, before)
    assert metric.counts.total.sum() == 100


def test_augmentation_sees_training_batches_only_whatever_loader_brings_them():
    seen = []

    def augment(images):
        seen.append((len(images), images.dtype))
        return images

    learner = strategy(augment=augment, train_epochs=1, plugins=[ReplayPlugin(mem_size=30)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        learner.train(stream().train_stream[:2], eval_streams=[])
    count = len(seen)
    assert seen[0] == (20, torch.uint8)
    assert seen[-1][1] == torch.float32  # the replay loader's items
    learner.eval(stream().test_stream)
    assert len(seen) == count


def test_images_reach_the_model_in_zero_to_one():
    ranges = []

    class Watch(TinyModel):
        def forward(self, images):
            ranges.append((images.dtype, float(images.min()), float(images.max())))
            return super().forward(images)

    learner = strategy(model=Watch())
    learner.train(stream().train_stream[0], eval_streams=[])
    learner.eval(stream().test_stream)
    assert all(kind == torch.float32 and low >= 0 and high == 1.0 for kind, low, high in ranges)


def test_images_trained_counts_the_session():
    learner = strategy()
    learner.train(stream().train_stream[0], eval_streams=[])
    assert learner.images_trained == 3 * 120
    learner.train(stream().train_stream[1], eval_streams=[])
    assert learner.images_trained == 3 * 10


def test_bf16_is_near_fp32_and_gives_float_logits():
    weights = {}
    for precision in ("fp32", "bf16"):
        learner = strategy(precision=precision, plugins=[ClassScope("seen", "seen")])
        learner.train(stream().train_stream[0], eval_streams=[])
        weights[precision] = learner.model.linear.weight.detach().clone()
    assert 0 < (weights["fp32"] - weights["bf16"]).abs().max() < 0.02


def test_a_misspelt_argument_is_refused():
    with pytest.raises((TypeError, ValueError)):
        strategy(train_epoch=3)
