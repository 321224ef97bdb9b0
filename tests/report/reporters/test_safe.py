import pytest
from helpers.listening import Heard

from clsim.experiment.events import Note, RunEnded, RunStarted, SessionEnded, SessionStarted, StepsDone
from clsim.report.reporters.safe import SafeListener

EVENTS = [
    RunStarted("info"),
    SessionStarted(0, 1, 2, 3, 4),
    StepsDone(1, 1, 0.5, 10.0),
    SessionEnded({}),
    Note("a note"),
    RunEnded({}, 1.0),
]


def send(listener):
    for event in EVENTS:
        listener.on_event(event)


def test_every_event_is_passed_on(capsys):
    heard = Heard()
    send(SafeListener(heard))
    assert heard.events == EVENTS
    assert capsys.readouterr().err == ""


def test_a_listener_that_fails_is_named_once_and_notes_go_to_standard_error(capsys):
    heard = Heard(SessionStarted, ConnectionError("no route to the tracker\nmore"))
    send(SafeListener(heard))
    assert heard.events == EVENTS[:2]
    printed = capsys.readouterr().err
    assert printed == "clsim: Heard is left out from here on: no route to the tracker\nclsim: a note\n"


@pytest.mark.parametrize("error", [BrokenPipeError(), KeyboardInterrupt()])
def test_a_reader_that_has_left_and_an_interruption_end_the_run(error):
    with pytest.raises(type(error)):
        send(SafeListener(Heard(StepsDone, error)))
