"""Floating-point operations: equal to torch's own counter and to hand-made values; counting changes no result."""

from functools import partial

import torch
from helpers.tiny import TinyModel, tiny_dataset
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from clsim.models.cpu_parallel import CpuDataParallel
from clsim.streams import fscil
from clsim.training import Strategy
from clsim.training.flops import FlopTally
from clsim.utils.flops import CountFlops


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5))


def step(model):
    loss = model(torch.ones(6, 3, 8, 8)).square().sum()
    loss.backward()


def test_a_step_counts_as_in_torch_s_own_counter():
    with FlopCounterMode(display=False) as theirs:
        step(network())
    with CountFlops() as ours:
        step(network())
    assert ours.flops == theirs.get_total_flops() > 0


def test_counting_changes_no_gradient():
    plain, counted = network(), network()
    step(plain)
    with CountFlops():
        step(counted)
    for ours, theirs in zip(plain.parameters(), counted.parameters(), strict=True):
        assert torch.equal(ours.grad, theirs.grad)


def test_attention_on_a_cpu_counts_both_products_and_five_on_the_way_back():
    query, key, value = (torch.rand(2, 3, 7, 4, requires_grad=True) for _ in range(3))
    with CountFlops() as forward:
        out = F.scaled_dot_product_attention(query, key, value)
    product = 2 * (2 * 3) * 7 * 7 * 4
    assert forward.flops == 2 * product
    with CountFlops() as backward:
        out.sum().backward()
    assert backward.flops == 5 * product


def test_threads_count_for_the_thread_that_waits_for_them():
    images = torch.ones(8, 3, 8, 8)
    with CountFlops() as whole:
        network().eval()(images)
    parallel = CpuDataParallel(network().eval(), workers=2)
    threads = torch.get_num_threads()
    try:
        with CountFlops() as parts:
            parallel(images)
    finally:
        torch.set_num_threads(threads)
    assert parts.flops == whole.flops


def test_what_is_cached_in_the_first_step_does_not_count():
    tally, done = FlopTally(), []

    def first_is_longer():
        for _ in range(1 if done else 10):
            torch.ones(1, 2) @ torch.ones(2, 1)
        done.append(1)

    for _ in range(5):
        tally.run(3, first_is_longer, countable=True)
    assert tally.total == 5 * 4


def test_a_resumed_session_has_the_sum_of_an_uninterrupted_one():
    def run(tally, steps, cached):
        for size in steps:
            products = 1 if cached else 10  # each process fills its caches in its first step
            tally.run(size, lambda n=products: [torch.ones(1, 2) @ torch.ones(2, 1) for _ in range(n)], countable=True)
            cached = True

    whole, stopped, resumed = FlopTally(), FlopTally(), FlopTally()
    run(whole, [3, 3, 2, 3, 3, 2], cached=False)
    run(stopped, [3, 3, 2], cached=False)
    resumed.load_state_dict(stopped.state_dict())
    run(resumed, [3, 3, 2], cached=False)
    assert resumed.total == whole.total == 6 * 4


def test_a_session_of_a_checkpoint_without_counts_has_no_sum():
    tally = FlopTally()
    tally.load_state_dict(None)
    tally.run(3, lambda: None, countable=True)
    assert tally.total is None


def test_a_step_that_cannot_be_counted_leaves_the_sum_unknown():
    tally = FlopTally()
    for countable in (True, False, True):
        tally.run(3, lambda: torch.ones(1, 2) @ torch.ones(2, 1), countable=countable)
    assert tally.total is None
    tally.begin()
    assert tally.total == 0


def test_a_session_counts_all_its_steps_and_an_evaluation_all_its_batches():
    torch.manual_seed(0)
    stream = fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})
    strategy = Strategy(
        model=TinyModel(), optimizer=partial(torch.optim.SGD, lr=0.1), train_mb_size=50, train_epochs=3, eval_mb_size=40
    )
    strategy.train(stream.train_stream[0], eval_streams=[])
    product = 2 * 192 * 10  # of one image
    # Forward, and the gradient of the weights: the images want none.
    assert strategy.train_flops.total == 3 * 120 * 2 * product
    strategy.eval(stream.test_stream[:2])
    assert strategy.eval_flops.total == 80 * product


def test_images_of_another_size_count_from_the_next_epoch_on():
    tally = FlopTally()
    for width in (2, 3):
        tally.begin_epoch()
        for _ in range(4):
            tally.run(1, lambda n=width: torch.ones(1, n) @ torch.ones(n, 1), countable=True)
    assert tally.total == 4 * (2 * 2) + 4 * (2 * 3)
