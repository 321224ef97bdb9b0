"""A listener whose failure does not end the run."""

from __future__ import annotations

import sys

from clsim.experiment.events import Event, Listener, NotesOnStderr
from clsim.utils.errors import LONGEST
from clsim.utils.text import short


class SafeListener:
    """Passes events on until the listener raises; from then on only notes are printed, on standard error.

    Args:
        listener: Listener that may fail.
        raises: Errors that end the run all the same. The default is a reader that closed its pipe.

    """

    def __init__(self, listener: Listener, *, raises: tuple[type[Exception], ...] = (BrokenPipeError,)) -> None:
        self._listener = listener
        self._raises = raises

    def on_event(self, event: Event) -> None:
        """Pass the event on; drop the listener if it fails."""
        try:
            self._listener.on_event(event)
        except self._raises:
            raise
        except Exception as error:
            reason = short((str(error).strip().splitlines() or [type(error).__name__])[0], LONGEST)
            print(f"clsim: {type(self._listener).__name__} is left out from here on: {reason}", file=sys.stderr)
            self._listener = NotesOnStderr()
