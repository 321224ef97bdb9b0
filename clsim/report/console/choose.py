"""The console listener of a run. Imports no torch, and rich only when it is used."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Literal, TextIO

from clsim.experiment.events import Listener
from clsim.report.console.json_lines import JsonReporter
from clsim.report.console.plain import PlainReporter
from clsim.report.console.quiet import QuietReporter

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Mode", "is_terminal", "make_console", "make_reporter"]

Mode = Literal["auto", "quiet", "json"]


def make_reporter(mode: Mode, stream: TextIO | None = None) -> Listener:
    """Return the console listener of a mode.

    Args:
        mode: ``auto`` for a live display on a terminal and plain lines elsewhere, ``quiet`` for the last line alone,
            ``json`` for one object a line.
        stream: Text stream for the output; standard output if ``None``.

    """
    out = stream if stream is not None else sys.stdout
    if mode == "json":
        return JsonReporter(out, sys.stderr)
    if mode == "quiet":
        return QuietReporter(out, sys.stderr)
    if not is_terminal(out):
        return PlainReporter(out)
    from clsim.report.console.terminal import RichReporter

    return RichReporter(make_console(out))


def make_console(stream: TextIO | None = None) -> Console:
    """Return a rich console without markup: no color under NO_COLOR, plain if the stream is no terminal."""
    from rich.console import Console

    out = stream if stream is not None else sys.stdout
    terminal = is_terminal(out)
    return Console(file=out, force_terminal=terminal, markup=False, emoji=False, highlight=False)


def is_terminal(stream: TextIO) -> bool:
    """Return whether `stream` can show a live display: a terminal that is not dumb and knows Unicode."""
    encoding = (getattr(stream, "encoding", None) or "").lower().replace("-", "")
    dumb = os.environ.get("TERM", "").lower() in ("dumb", "unknown")
    return stream.isatty() and not dumb and encoding.startswith("utf")
