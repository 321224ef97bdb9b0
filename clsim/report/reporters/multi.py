"""Several reporters of one run: the console's and the trackers."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from clsim.experiment.reporter import Reporter, Results, RunInfo
from clsim.report.reporters.safe import Resilient


class Several:
    """Tells each reporter of every event; one that fails is left out, the others hear on.

    Args:
        console: hears the notes; ``None``: they go to standard error.
        others: are expected to fail by themselves, as :class:`~clsim.report.reporters.background.Aside` does.

    """

    def __init__(self, console: Reporter | None, others: Sequence[Reporter]) -> None:
        self._console = None if console is None else Resilient(console)
        self._all = [*([] if self._console is None else [self._console]), *others]

    def run_started(self, info: RunInfo) -> None:
        """A run begins."""
        for reporter in self._all:
            reporter.run_started(info)

    def session_started(self, session: int, new_classes: int, images: int, epochs: int, steps: int) -> None:
        """A session begins."""
        for reporter in self._all:
            reporter.session_started(session, new_classes, images, epochs, steps)

    def progress(self, epoch: int, step: int, loss: float | None, images_per_second: float) -> None:
        """Some steps are done."""
        for reporter in self._all:
            reporter.progress(epoch, step, loss, images_per_second)

    def session_ended(self, results: Results) -> None:
        """A session is over."""
        for reporter in self._all:
            reporter.session_ended(results)

    def run_ended(self, results: Results, seconds: float) -> None:
        """The run is over."""
        for reporter in self._all:
            reporter.run_ended(results, seconds)

    def note(self, text: str) -> None:
        """A line for whoever looks on."""
        if self._console is None:
            print(f"clsim: {text}", file=sys.stderr)
        else:
            self._console.note(text)

    def close(self) -> None:
        """Closes all of them."""
        for reporter in self._all:
            reporter.close()
