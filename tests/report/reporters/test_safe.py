import pytest

from clsim.report.reporters.safe import Resilient


class Tracker:
    """Goes down at one of its events."""

    def __init__(self, event, error):
        self.event, self.error, self.heard = event, error, []

    def __getattr__(self, name):
        def hear(*content):
            self.heard.append(name)
            if name == self.event:
                raise self.error

        return hear


def events(reporter):
    reporter.run_started("info")
    reporter.session_started(0, 1, 2, 3, 4)
    reporter.progress(1, 1, 0.5, 10.0)
    reporter.session_ended({})
    reporter.note("a note")
    reporter.run_ended({}, 1.0)
    reporter.close()


def test_every_event_is_passed_on(capsys):
    tracker = Tracker(None, None)
    events(Resilient(tracker))
    assert tracker.heard == [
        "run_started",
        "session_started",
        "progress",
        "session_ended",
        "note",
        "run_ended",
        "close",
    ]
    assert capsys.readouterr().err == ""


def test_a_tracker_that_is_down_is_told_once_and_left_out(capsys):
    tracker = Tracker("session_started", ConnectionError("no route to the tracker\nmore"))
    events(Resilient(tracker))
    assert tracker.heard == ["run_started", "session_started"]
    told = capsys.readouterr().err
    assert told == "clsim: Tracker is left out from here on: no route to the tracker\nclsim: a note\n"


def test_a_reader_that_has_left_ends_the_run():
    with pytest.raises(BrokenPipeError):
        events(Resilient(Tracker("session_ended", BrokenPipeError())))


def test_an_interruption_passes():
    with pytest.raises(KeyboardInterrupt):
        events(Resilient(Tracker("progress", KeyboardInterrupt())))
