from functools import partial

import pytest
import torch
from helpers.tiny import TinyModel, tiny_dataset

from clsim.plugins import Progress
from clsim.streams import fscil
from clsim.training import Strategy


class Heard:
    def __init__(self):
        self.sessions, self.reports = [], []

    def session_started(self, *facts):
        self.sessions.append(facts)

    def progress(self, *report):
        self.reports.append(report)


def test_tells_extent_position_loss_and_pace():
    stream = fscil(tiny_dataset(), base_classes=8, ways=2, shots=5, splits={"draw": 0})
    heard = Heard()
    strategy = Strategy(
        model=TinyModel(),
        optimizer=partial(torch.optim.SGD, lr=0.1),
        train_mb_size=40,
        train_epochs=2,
        plugins=[Progress(heard, interval=0.0)],
    )
    strategy.train(stream.train_stream, eval_streams=[])
    assert heard.sessions == [(0, 8, 160, 2, 8), (1, 2, 10, 2, 2)]
    positions = [(epoch, step) for epoch, step, _, _ in heard.reports]
    base = [(1, 1), (1, 2), (1, 3), (1, 4), (1, 4), (2, 5), (2, 6), (2, 7), (2, 8), (2, 8)]
    assert positions == [*base, (1, 1), (1, 1), (2, 2), (2, 2)]
    losses = [loss for _, _, loss, _ in heard.reports]
    assert losses[0] == pytest.approx(torch.tensor(10.0).log().item(), rel=0.2)
    assert all(pace > 0 for *_, pace in heard.reports)


def test_between_reports_the_loss_is_left_on_the_device():
    stream = fscil(tiny_dataset(), base_classes=8, ways=2, shots=5, splits={"draw": 0})
    heard = Heard()
    strategy = Strategy(
        model=TinyModel(),
        optimizer=partial(torch.optim.SGD, lr=0.1),
        train_mb_size=10,
        train_epochs=2,
        plugins=[Progress(heard, interval=1e9)],
    )
    strategy.train(stream.train_stream[0], eval_streams=[])
    assert [(epoch, step) for epoch, step, _, _ in heard.reports] == [(1, 16), (2, 32)]
