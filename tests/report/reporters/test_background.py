import threading

import pytest
from helpers.listening import Heard

from clsim.experiment.events import Note, RunEnded, RunStarted, SessionEnded, SessionStarted, StepsDone
from clsim.report.reporters.background import BackgroundListener

BEGUN = SessionStarted(0, 1, 2, 3, 4)
STEP = StepsDone(1, 1, 0.5, 10.0)


def send(listener, results):
    for event in (RunStarted("info"), BEGUN, STEP, SessionEnded(results), Note("a note")):
        listener.on_event(event)
    results["sessions"].append("changed by the run")
    listener.on_event(RunEnded(results, 1.0))
    listener.close()


def test_another_thread_receives_copies_of_all_events_but_notes(capsys):
    heard = Heard()
    send(BackgroundListener(heard), {"sessions": ["first"]})
    assert heard.events == [
        RunStarted("info"),
        BEGUN,
        STEP,
        SessionEnded({"sessions": ["first"]}),
        RunEnded({"sessions": ["first", "changed by the run"]}, 1.0),
    ]
    assert heard.threads != {threading.current_thread()}
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("error", [ConnectionError("gone\nmore"), BrokenPipeError("gone")])
def test_a_listener_that_fails_is_named_once(error, capsys):
    heard = Heard(SessionStarted, error)
    send(BackgroundListener(heard), {"sessions": []})
    assert heard.kinds == [RunStarted, SessionStarted]
    assert capsys.readouterr().err == "clsim: Heard is left out from here on: gone\n"


def test_a_listener_that_hangs_does_not_stop_the_run(capsys, monkeypatch):
    monkeypatch.setattr(BackgroundListener, "SILENT", 0.01)
    released = threading.Event()
    heard = Heard(waits=RunStarted, until=released)
    listener = BackgroundListener(heard, patience=0.02)
    listener.on_event(RunStarted("info"))
    for step in range(5000):
        listener.on_event(StepsDone(1, step, 0.5, 10.0))
    listener.on_event(SessionEnded({"sessions": []}))
    listener.close()
    listener.close()
    printed = capsys.readouterr().err.splitlines()
    assert printed == ["clsim: waiting for Heard, 0 s at most", "clsim: Heard is left out: it has not answered"]
    assert 900 < listener._events.qsize() <= BackgroundListener.BACKLOG + 2
    released.set()
    listener._thread.join(20)
    assert heard.kinds == [RunStarted]  # events in the queue are dropped


def test_a_listener_that_receives_nothing_needs_no_thread():
    heard = Heard()
    BackgroundListener(heard).close()
    assert not heard.events
