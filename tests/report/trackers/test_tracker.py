"""What a tracker is told, and what it is told again."""

import json

import pytest

from clsim.experiment.events import RunEnded, RunStarted, SessionEnded, StepsDone
from clsim.report.trackers.state import TrackerState
from clsim.report.trackers.tracker import Tracker
from clsim.report.trackers.values import values_of


class Counting(Tracker):
    KIND = "counting"

    def __init__(self, fails=None):
        super().__init__()
        self.heard, self.fails = [], fails

    def begin(self, run):
        self.heard.append(("begin", run.resumed))

    def session(self, session, values):
        self.heard.append((session, dict(values)))
        if session == self.fails:
            raise ConnectionError

    def iteration(self, iteration, values):
        self.heard.append(iteration)

    def end(self, status, session, summary):
        self.heard.append((status, session))


def test_what_a_tracker_may_have_got_is_told_again_as_it_was(tmp_path, info, results):
    told = info(out=str(tmp_path))
    (tmp_path / "manifest.json").write_text('{"started": "then"}')
    first, again = Counting(fails=1), Counting()
    first.on_event(RunStarted(told))
    with pytest.raises(ConnectionError):
        first.on_event(SessionEnded(results(2)))
    changed = results(3)
    for record in changed["sessions"]:
        record["train_seconds"] += 1
    again.on_event(RunStarted(told))
    again.on_event(SessionEnded(changed))
    assert again.heard == [("begin", True), first.heard[-1], (2, values_of(changed["sessions"][2]))]


def test_another_run_in_the_same_directory_is_told_from_the_beginning(tmp_path, info, results):
    for started in ("then", "now"):
        (tmp_path / "manifest.json").write_text(json.dumps({"started": started}))
        tracker = Counting()
        tracker.on_event(RunStarted(info(out=str(tmp_path))))
        tracker.on_event(SessionEnded(results(1)))
        assert [each[0] for each in tracker.heard] == ["begin", 0]
        assert tracker.heard[0] == ("begin", False)


@pytest.mark.parametrize("text", ["", "{", "[]", "1", '{"started": "then", "odd": 1}'])
def test_a_note_that_is_damaged_is_none(tmp_path, text):
    (tmp_path / "trackers").mkdir()
    (tmp_path / "trackers" / "x.json").write_text(text)
    assert TrackerState.read(tmp_path, "x", "then") == TrackerState(tmp_path / "trackers" / "x.json", "then")


def test_a_run_that_never_began_ends_without_a_word(results):
    tracker = Counting()
    tracker.on_event(RunEnded(results(1), 1.0))
    tracker.on_event(SessionEnded(results(1)))
    tracker.on_event(StepsDone(1, 1, 0.5, 1.0))
    assert not tracker.heard
