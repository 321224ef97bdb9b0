"""Which reporter a run gets. Nothing here imports torch, and rich only when it is used."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Literal, TextIO

from clsim.experiment.reporter import Reporter, RunInfo
from clsim.report.console.json_lines import JsonReporter
from clsim.report.console.plain import PlainReporter, QuietReporter

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Mode", "Reporter", "RunInfo", "is_terminal", "make_console", "make_reporter"]

Mode = Literal["auto", "quiet", "json"]


def make_reporter(mode: Mode, stream: TextIO | None = None) -> Reporter:
    """The reporter for `mode`: ``auto`` is the terminal's own on a terminal, plain lines elsewhere.

    Args:
        mode: ``auto``, ``quiet`` (the last line only) or ``json`` (one object a line).
        stream: where to, standard output if None.

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
    """A rich console that takes no string for markup: no colour under NO_COLOR, plain off a terminal."""
    from rich.console import Console

    out = stream if stream is not None else sys.stdout
    terminal = is_terminal(out)
    return Console(file=out, force_terminal=terminal, markup=False, emoji=False, highlight=False)


def is_terminal(stream: TextIO) -> bool:
    """Whether `stream` can show a live display: a terminal, not a dumb one, that knows more than ASCII."""
    encoding = (getattr(stream, "encoding", None) or "").lower().replace("-", "")
    dumb = os.environ.get("TERM", "").lower() in ("dumb", "unknown")
    return stream.isatty() and not dumb and encoding.startswith("utf")
