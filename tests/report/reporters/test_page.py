from helpers.listening import Heard

from clsim.experiment.events import FilesWritten, Note, RunEnded
from clsim.report.reporters.page import PageWriter


def test_a_page_that_cannot_be_written_is_a_note(tmp_path):
    heard = Heard()
    writer = PageWriter(lambda text: heard.on_event(Note(text)))
    writer.on_event(RunEnded({}, 1.0))
    assert not heard.events
    writer.on_event(FilesWritten(tmp_path / "nowhere"))
    (note,) = heard.notes
    assert note.startswith("report.html could not be written: ")
