"""A listener for tests: it stores the events of a run, and may fail or wait at one."""

from __future__ import annotations

import threading
from typing import Any

from clsim.experiment.events import Event, Note


class Heard:
    """Stores events.

    Args:
        fails: Type of the event at which it raises; ``None`` for no event.
        error: Exception that it raises there.
        waits: Type of the event at which it waits.
        until: Flag that ends the wait.

    """

    def __init__(
        self,
        fails: type | None = None,
        error: BaseException | None = None,
        waits: type | None = None,
        until: threading.Event | None = None,
    ) -> None:
        self.fails, self.error, self.waits, self.until = fails, error, waits, until
        self.events: list[Any] = []
        self.threads: set[threading.Thread] = set()

    def on_event(self, event: Event) -> None:
        """Store an event."""
        self.events.append(event)
        self.threads.add(threading.current_thread())
        if type(event) is self.waits and self.until is not None:
            self.until.wait(20)
        if type(event) is self.fails and self.error is not None:
            raise self.error

    @property
    def kinds(self) -> list[type]:
        """Types of the events, in their order."""
        return [type(event) for event in self.events]

    @property
    def notes(self) -> list[str]:
        """Texts of the notes."""
        return [event.text for event in self.events if isinstance(event, Note)]


class Down(Heard):
    """A tracker whose server is gone at one event."""
