"""A line of progress on the standard error stream."""

from __future__ import annotations

import math
import sys
import time

EVERY = 20.0
"""Seconds between two lines where the stream is no terminal."""


class ProgressLine:
    """Progress of long work: a line that is overwritten on a terminal, elsewhere a line every twenty seconds.

    Args:
        after: Seconds of work before the first line, so that short work shows none.

    """

    def __init__(self, after: float = 0.0) -> None:
        self._first = time.monotonic() + after if after else -math.inf
        self._last = -math.inf
        self._shown = False

    def show(self, text: str, *, done: bool) -> None:
        """Show the state of the work.

        Args:
            text: Line without its end.
            done: Whether the work is complete, which is shown in any case if something was shown before.

        """
        terminal, now = sys.stderr.isatty(), time.monotonic()
        if now < self._first or (done and not self._shown and self._first > 0):
            return
        if not (terminal or done or now - self._last > EVERY):
            return
        self._last, self._shown = now, True
        sys.stderr.write(f"\r{text} " if terminal and not done else f"\r{text}\n" if terminal else f"{text}\n")
        sys.stderr.flush()
