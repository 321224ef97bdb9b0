"""The listener that writes a run's HTML report."""

from __future__ import annotations

from collections.abc import Callable

from clsim.experiment.events import Event, FilesWritten
from clsim.report.html.write import NAME, try_report


class PageWriter:
    """Writes ``report.html`` into the run directory when its files are complete, however the run ended.

    Args:
        note: Function that receives the reason if the report cannot be written.

    """

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note

    def on_event(self, event: Event) -> None:
        """Write the report; ignore other events."""
        if isinstance(event, FilesWritten):
            try_report([event.directory], event.directory / NAME, self._note)
