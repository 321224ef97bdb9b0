"""Ctrl-C and a scheduler's SIGTERM: the first lets the iteration end and saves, the second leaves at once."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A run that was asked to stop has saved where it was; the message says how it goes on."""


class Interruption:
    """Whether the run was asked to stop.

    Attributes:
        requested: a signal came.
        waits: whether a signal waits for the end of the iteration; else, and from the second signal on, it raises
            :class:`KeyboardInterrupt` where the run is. Files are whole at any moment.

    """

    def __init__(self) -> None:
        self.requested = False
        self.waits = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Takes the signals over; only the main thread of a process may, in another they stay as they are."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._hear) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        again, self.requested = self.requested, True
        if again or not self.waits:
            raise KeyboardInterrupt
        sys.stderr.write("\nclsim: stopping after this iteration; once more to leave at once\n")
