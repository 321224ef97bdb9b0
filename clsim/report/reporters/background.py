"""A reporter in a thread of its own: whatever it waits for, the run does not."""

from __future__ import annotations

import copy
import sys
from queue import SimpleQueue
from threading import Thread

from clsim.experiment.reporter import Reporter, Results, RunInfo
from clsim.report.reporters.safe import Resilient

Event = tuple[str, tuple[object, ...]]


class Aside:
    """Puts a run's events in a queue, from which a thread tells the reporter; one that fails is left out.

    What waits in the queue are copies, so that the run may change what it told. A tracker that hangs costs the run
    nothing, the command some seconds at its end.

    Args:
        reporter: is told, but for notes, which are the console's.
        patience: seconds that :meth:`close` waits for it.

    """

    BACKLOG = 1000
    """Events that may wait; beyond that, progress is not told any more, which is the only kind that comes often."""
    SILENT = 5.0
    """Seconds that :meth:`close` waits without a word."""

    def __init__(self, reporter: Reporter, *, patience: float = 30.0) -> None:
        self._name = type(reporter).__name__
        self._reporter = Resilient(reporter, but=())
        self._patience = patience
        self._events: SimpleQueue[Event | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._closed = False
        self._given_up = False

    def run_started(self, info: RunInfo) -> None:
        """A run begins."""
        self._tell("run_started", info)

    def session_started(self, session: int, new_classes: int, images: int, epochs: int, steps: int) -> None:
        """A session begins."""
        self._tell("session_started", session, new_classes, images, epochs, steps)

    def progress(self, epoch: int, step: int, loss: float | None, images_per_second: float) -> None:
        """Some steps are done."""
        if self._events.qsize() < self.BACKLOG:
            self._tell("progress", epoch, step, loss, images_per_second)

    def session_ended(self, results: Results) -> None:
        """A session is over."""
        self._tell("session_ended", copy.deepcopy(results))

    def run_ended(self, results: Results, seconds: float) -> None:
        """The run is over."""
        self._tell("run_ended", copy.deepcopy(results), seconds)

    def note(self, text: str) -> None:
        """Silent."""

    def close(self) -> None:
        """Waits until the reporter has heard everything, but not for ever."""
        if self._closed or self._thread is None:
            return
        self._tell("close")
        self._closed = True
        self._events.put(None)
        self._thread.join(min(self.SILENT, self._patience))
        if self._thread.is_alive():
            print(f"clsim: waiting for {self._name}, {self._patience:.0f} s at most", file=sys.stderr)
            self._thread.join(max(0.0, self._patience - self.SILENT))
        if self._thread.is_alive():
            self._given_up = True
            print(f"clsim: {self._name} is left out: it has not answered", file=sys.stderr)

    def _tell(self, event: str, *content: object) -> None:
        if self._closed:
            return
        if self._thread is None:
            self._thread = Thread(target=self._pass_on, name=self._name, daemon=True)
            self._thread.start()
        self._events.put((event, content))

    def _pass_on(self) -> None:
        while (waiting := self._events.get()) is not None:
            if self._given_up:
                return
            event, content = waiting
            getattr(self._reporter, event)(*content)
