"""A reporter that fails is left out; the run goes on."""

from __future__ import annotations

import sys

from clsim.experiment.reporter import Reporter, Results, RunInfo
from clsim.utils.errors import LONGEST
from clsim.utils.text import short


class Resilient:
    """Passes a run's events on, until the reporter raises: then it says so once, and is silent from there on.

    Days of training are not given up for a tracker that cannot be reached. Only a reader that has left is no reason to
    go on: :class:`BrokenPipeError` passes.

    Args:
        reporter: is told.
        but: errors that pass; none for a tracker, whose pipes are its own.

    """

    def __init__(self, reporter: Reporter, *, but: tuple[type[Exception], ...] = (BrokenPipeError,)) -> None:
        self._reporter = reporter
        self._but = but
        self._failed = False

    def run_started(self, info: RunInfo) -> None:
        """A run begins."""
        self._tell("run_started", info)

    def session_started(self, session: int, new_classes: int, images: int, epochs: int, steps: int) -> None:
        """A session begins."""
        self._tell("session_started", session, new_classes, images, epochs, steps)

    def progress(self, epoch: int, step: int, loss: float | None, images_per_second: float) -> None:
        """Some steps are done."""
        self._tell("progress", epoch, step, loss, images_per_second)

    def session_ended(self, results: Results) -> None:
        """A session is over."""
        self._tell("session_ended", results)

    def run_ended(self, results: Results, seconds: float) -> None:
        """The run is over."""
        self._tell("run_ended", results, seconds)

    def note(self, text: str) -> None:
        """Something worth a line, on standard error where the reporter is silent."""
        if self._failed:
            print(f"clsim: {text}", file=sys.stderr)
        self._tell("note", text)

    def close(self) -> None:
        """Gives back what the reporter holds."""
        self._tell("close")

    def _tell(self, event: str, *content: object) -> None:
        if self._failed:
            return
        try:
            getattr(self._reporter, event)(*content)
        except self._but:
            raise
        except Exception as error:
            self._failed = True
            reason = short((str(error).strip().splitlines() or [type(error).__name__])[0], LONGEST)
            print(f"clsim: {type(self._reporter).__name__} is left out from here on: {reason}", file=sys.stderr)
