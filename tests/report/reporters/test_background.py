import threading

import pytest

from clsim.report.reporters.background import Aside


class Heard:
    """Notes what it hears; waits for, or fails at, an event."""

    def __init__(self, fails=None, error=None, waits=None, until=None):
        self.fails, self.error, self.waits, self.until = fails, error, waits, until
        self.events, self.threads = [], set()

    def __getattr__(self, name):
        def hear(*content):
            self.events.append((name, *content))
            self.threads.add(threading.current_thread())
            if name == self.waits:
                self.until.wait(20)
            if name == self.fails:
                raise self.error

        return hear


def events(reporter, results):
    reporter.run_started("info")
    reporter.session_started(0, 1, 2, 3, 4)
    reporter.progress(1, 1, 0.5, 10.0)
    reporter.session_ended(results)
    reporter.note("a note")
    results["sessions"].append("changed by the run")
    reporter.run_ended(results, 1.0)
    reporter.close()


def test_another_thread_hears_everything_in_order_as_it_was(capsys):
    heard = Heard()
    events(Aside(heard), {"sessions": ["first"]})
    assert heard.events == [
        ("run_started", "info"),
        ("session_started", 0, 1, 2, 3, 4),
        ("progress", 1, 1, 0.5, 10.0),
        ("session_ended", {"sessions": ["first"]}),
        ("run_ended", {"sessions": ["first", "changed by the run"]}, 1.0),
        ("close",),
    ]
    assert heard.threads != {threading.current_thread()}
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("error", [ConnectionError("gone\nmore"), BrokenPipeError("gone")])
def test_one_that_fails_is_told_once(error, capsys):
    heard = Heard("session_started", error)
    events(Aside(heard), {"sessions": []})
    assert [event[0] for event in heard.events] == ["run_started", "session_started"]
    assert capsys.readouterr().err == "clsim: Heard is left out from here on: gone\n"


def test_one_that_hangs_holds_nothing_up(capsys, monkeypatch):
    monkeypatch.setattr(Aside, "SILENT", 0.01)
    released = threading.Event()
    heard = Heard(waits="run_started", until=released)
    aside = Aside(heard, patience=0.02)
    aside.run_started("info")
    for step in range(5000):
        aside.progress(1, step, 0.5, 10.0)
    aside.session_ended({"sessions": []})
    aside.close()
    aside.close()
    told = capsys.readouterr().err.splitlines()
    assert told == ["clsim: waiting for Heard, 0 s at most", "clsim: Heard is left out: it has not answered"]
    assert 900 < aside._events.qsize() <= Aside.BACKLOG + 3
    released.set()
    aside._thread.join(20)
    assert [event[0] for event in heard.events] == ["run_started"]  # what comes too late is not told any more


def test_one_that_was_never_used_is_closed_without_a_thread():
    heard = Heard()
    Aside(heard).close()
    assert not heard.events
