from functools import partial

import pytest
import torch
from helpers.tiny import TinyModel, tiny_dataset

from clsim.plugins import WarmupCosine
from clsim.plugins.warmup_cosine import warmup_cosine
from clsim.streams import fscil
from clsim.training import Strategy

PUBLISHED = {"max_lr": 0.1, "min_lr": 0.001, "warmup": 50, "cycle": 200}


def test_published_effective_rates():
    rates = [warmup_cosine(epoch, **PUBLISHED) for epoch in range(6)]
    assert rates == pytest.approx([0.001, 0.00298, 0.00496, 0.00694, 0.00892, 0.0109], abs=1e-12)


def test_peak_valley_and_restart():
    assert warmup_cosine(50, **PUBLISHED) == pytest.approx(0.1)
    assert warmup_cosine(125, **PUBLISHED) == pytest.approx((0.1 + 0.001) / 2)
    assert warmup_cosine(199, **PUBLISHED) == pytest.approx(0.001, abs=2e-5)
    assert warmup_cosine(200, **PUBLISHED) == 0.001


class Rates(WarmupCosine):
    """Writes down the rate of every step."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.seen = []

    def before_update(self, strategy, **kwargs):
        self.seen.append(strategy.optimizer.param_groups[0]["lr"])


@pytest.mark.parametrize("every", ["epoch", "step"])
def test_rates_that_reach_the_optimiser_in_two_sessions(every):
    stream = fscil(tiny_dataset(), base_classes=8, ways=2, shots=5, splits={"draw": 0})
    rates = Rates(every=every, **PUBLISHED)
    strategy = Strategy(
        model=TinyModel(),
        optimizer=partial(torch.optim.SGD, lr=9.0, momentum=0.9),
        train_mb_size=5,
        train_epochs=3,
        plugins=[rates],
    )
    strategy.train(stream.train_stream, eval_streams=[])
    steps = [32, 2]  # 160 and 10 images in batches of 5
    expected = [
        warmup_cosine(epoch if every == "epoch" else epoch * count + step, **PUBLISHED)
        for count in steps
        for epoch in range(3)
        for step in range(count)
    ]
    assert rates.seen == pytest.approx(expected)
