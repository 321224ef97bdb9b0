"""A listener in a thread of its own, for which the run never waits."""

from __future__ import annotations

import copy
import sys
from queue import SimpleQueue
from threading import Thread

from clsim.experiment.events import Event, Listener, Note, StepsDone
from clsim.report.reporters.safe import SafeListener


class BackgroundListener:
    """Queues copies of a run's events for a listener in another thread; a listener that fails is dropped.

    Notes are left to the console. A listener that hangs delays only the end of the command.

    Args:
        listener: Listener that may be slow or fail.
        patience: Seconds that :meth:`close` waits for it.

    """

    BACKLOG = 1000
    """Events that may wait; beyond that, progress of training is skipped."""
    SILENT = 5.0
    """Seconds that :meth:`close` waits without a message."""

    def __init__(self, listener: Listener, *, patience: float = 30.0) -> None:
        self._name = type(listener).__name__
        self._listener = SafeListener(listener, raises=())
        self._patience = patience
        self._events: SimpleQueue[Event | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._closed = False
        self._abandoned = False

    def on_event(self, event: Event) -> None:
        """Queue a copy of the event, since the run may change what it holds."""
        crowded = isinstance(event, StepsDone) and self._events.qsize() >= self.BACKLOG
        if self._closed or crowded or isinstance(event, Note):
            return
        if self._thread is None:
            self._thread = Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        self._events.put(copy.deepcopy(event))

    def close(self) -> None:
        """Wait until the listener has received everything, or patience runs out."""
        if self._closed or self._thread is None:
            return
        self._closed = True
        self._events.put(None)
        self._thread.join(min(self.SILENT, self._patience))
        if self._thread.is_alive():
            print(f"clsim: waiting for {self._name}, {self._patience:.0f} s at most", file=sys.stderr)
            self._thread.join(max(0.0, self._patience - self.SILENT))
        if self._thread.is_alive():
            self._abandoned = True
            print(f"clsim: {self._name} is left out: it has not answered", file=sys.stderr)

    def _work(self) -> None:
        while (event := self._events.get()) is not None and not self._abandoned:
            self._listener.on_event(event)
