"""SIGINT and SIGTERM: the first one saves after the current iteration, the second one stops at once."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """Interruption of a run that saved a checkpoint; the message says how to resume."""


class Interruption:
    """Request to stop a run.

    Attributes:
        requested: Whether a signal was received.
        waits: Whether a first signal waits for the end of the iteration. Otherwise, and from the second signal on, it
            raises :class:`KeyboardInterrupt` in the run. Files are complete at any moment.
    """

    def __init__(self) -> None:
        self.requested = False
        self.waits = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handle the signals inside the block; in other threads than the main one, do nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        previous = {number: signal.signal(number, self._handle) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again, self.requested = self.requested, True
        if again or not self.waits:
            raise KeyboardInterrupt
        sys.stderr.write("\nclsim: stopping after this iteration; interrupt again to stop at once\n")
