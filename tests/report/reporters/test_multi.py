import pytest

from clsim.report.reporters.multi import Several


class Heard:
    def __init__(self, fails=None, error=None):
        self.fails, self.error, self.events = fails, error, []

    def __getattr__(self, name):
        def hear(*content):
            self.events.append((name, *content))
            if name == self.fails:
                raise self.error

        return hear


EVENTS = [
    ("run_started", "info"),
    ("session_started", 0, 1, 2, 3, 4),
    ("progress", 1, 1, 0.5, 10.0),
    ("session_ended", {}),
    ("run_ended", {}, 1.0),
    ("close",),
]


def tell(reporter):
    for name, *content in EVENTS:
        getattr(reporter, name)(*content)


def test_all_hear_all_events_and_the_console_the_notes(capsys):
    console, first, second = Heard(), Heard(), Heard()
    several = Several(console, [first, second])
    several.note("a note")
    tell(several)
    assert first.events == second.events == EVENTS
    assert console.events == [("note", "a note"), *EVENTS]
    assert capsys.readouterr().err == ""


def test_notes_are_not_lost_without_a_console(capsys):
    Several(None, [Heard()]).note("a note")
    assert capsys.readouterr().err == "clsim: a note\n"


def test_a_console_that_fails_leaves_the_others_alone(capsys):
    tracker = Heard()
    several = Several(Heard("progress", ValueError("odd")), [tracker])
    tell(several)
    assert tracker.events == EVENTS
    assert capsys.readouterr().err == "clsim: Heard is left out from here on: odd\n"


def test_a_reader_that_has_left_ends_the_run():
    with pytest.raises(BrokenPipeError):
        tell(Several(Heard("progress", BrokenPipeError()), [Heard()]))
