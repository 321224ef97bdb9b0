from helpers.listening import Heard

from clsim.experiment.events import Broadcast, Note, NotesOnStderr, RunEnded


def test_a_broadcast_reaches_every_listener_in_order():
    first, second = Heard(), Heard()
    listener = Broadcast([first, second])
    listener.on_event(Note("a note"))
    listener.on_event(RunEnded({}, 1.0))
    assert first.events == second.events == [Note("a note"), RunEnded({}, 1.0)]


def test_notes_go_to_standard_error(capsys):
    listener = NotesOnStderr()
    listener.on_event(Note("a note"))
    listener.on_event(RunEnded({}, 1.0))
    assert capsys.readouterr().err == "clsim: a note\n"
