from functools import partial

import pytest
import torch
from helpers.listening import Heard
from helpers.tiny import TinyModel, tiny_dataset

from clsim.plugins import Progress
from clsim.streams import fscil
from clsim.training import Strategy
from clsim.utils.training_events import SessionStarted, StepsDone


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
    begun = [event for event in heard.events if isinstance(event, SessionStarted)]
    reports = [event for event in heard.events if isinstance(event, StepsDone)]
    assert begun == [SessionStarted(0, 8, 160, 2, 8), SessionStarted(1, 2, 10, 2, 2)]
    positions = [(report.epoch, report.step) for report in reports]
    base = [(1, 1), (1, 2), (1, 3), (1, 4), (1, 4), (2, 5), (2, 6), (2, 7), (2, 8), (2, 8)]
    assert positions == [*base, (1, 1), (1, 1), (2, 2), (2, 2)]
    assert reports[0].loss == pytest.approx(torch.tensor(10.0).log().item(), rel=0.2)
    assert all(report.images_per_second > 0 for report in reports)


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
    assert [(event.epoch, event.step) for event in heard.events[1:]] == [(1, 16), (2, 32)]
