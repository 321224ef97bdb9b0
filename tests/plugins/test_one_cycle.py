from functools import partial

import pytest
import torch
from avalanche.training.plugins import SupervisedPlugin
from helpers.tiny import TinyModel, tiny_dataset

from clsim.plugins.one_cycle import OneCycle, one_cycle
from clsim.streams import fscil
from clsim.training import Strategy


def test_up_in_a_line_and_down_to_the_last_step():
    rates = [one_cycle(k, steps=10, warmup=0.2) for k in range(10)]
    assert rates == pytest.approx([0.5, 1.0, 1.0, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8])


class Recorder(SupervisedPlugin):
    def __init__(self):
        super().__init__()
        self.rates = []

    def before_update(self, strategy, **kwargs):
        self.rates.append(strategy.optimizer.param_groups[0]["lr"])


def test_every_session_is_one_cycle_of_its_own_height():
    stream = fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})
    recorder = Recorder()
    strategy = Strategy(
        model=TinyModel(),
        optimizer=partial(torch.optim.SGD, lr=9.0),
        train_mb_size=60,
        train_epochs=2,
        plugins=[OneCycle(max_lr=1.0, later_lr=0.1, warmup=0.5), recorder],
    )
    for session in stream.train_stream[:2]:
        strategy.train(session, eval_streams=[])
    # 120 images make 2 steps an epoch, 10 images make 1.
    assert recorder.rates == pytest.approx([0.5, 1.0, 1.0, 0.5, 0.1, 0.1])
