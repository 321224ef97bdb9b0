from __future__ import annotations

import pytest

from clsim.report.console.underway import Underway
from clsim.utils.training_events import SessionStarted, StepsDone


def test_time_left_is_the_pace_after_the_first_report_times_the_steps_left() -> None:
    now = [100.0]
    underway = Underway(SessionStarted(1, 5, 25, 2, 20), clock=lambda: now[0])
    assert underway.seconds_left is None
    now[0] = 130.0  # thirty seconds to compile: no part of the pace
    underway.update(StepsDone(1, 1, 1.0, 10.0))
    assert underway.seconds_left is None
    now[0] = 134.0
    underway.update(StepsDone(1, 5, 1.0, 10.0))
    assert underway.seconds_left == pytest.approx(15.0)


def test_the_smoothed_loss_starts_at_the_first_loss_and_moves_a_tenth() -> None:
    underway = Underway(SessionStarted(0, 5, 25, 1, 3))
    underway.update(StepsDone(1, 1, 2.0, 1.0))
    assert underway.loss == pytest.approx(2.0)
    underway.update(StepsDone(1, 2, None, 1.0))
    assert underway.loss == pytest.approx(2.0)
    underway.update(StepsDone(1, 3, 4.0, 1.0))
    # (0.9 * 0.1 * 2 + 0.1 * 4) / (0.9 * 0.1 + 0.1)
    assert underway.loss == pytest.approx(0.58 / 0.19)


def test_a_session_without_steps_is_measuring_at_once() -> None:
    assert Underway(SessionStarted(0, 5, 25, 0, 0)).measuring
    trained = Underway(SessionStarted(0, 5, 25, 1, 2))
    assert not trained.measuring
    trained.update(StepsDone(1, 2, None, 0.0))
    assert trained.measuring
