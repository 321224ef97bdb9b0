"""Console output of ``--quiet``: the last line alone."""

from __future__ import annotations

from typing import TextIO

from clsim.experiment.events import Event, Results, RunEnded, RunInfo, RunStarted
from clsim.report.console.plain import stand_in_line, validation_line, write_line
from clsim.results.figures import figure
from clsim.utils.numbers import DASH, duration, percent


class QuietReporter:
    """A listener that writes one line when the run ends.

    Args:
        stream: Text stream for that line.
        errors: Text stream for the notices of a stand-in and of an evaluation on held-out images.

    """

    def __init__(self, stream: TextIO, errors: TextIO) -> None:
        self._stream = stream
        self._errors = errors
        self._info: RunInfo | None = None

    def on_event(self, event: Event) -> None:
        """Write a notice or the last line; ignore other events."""
        match event:
            case RunStarted(info):
                self._info = info
                write_notices(self._errors, info)
            case RunEnded(results, seconds) if self._info is not None:
                write_line(self._stream, last_line(self._info, results, seconds))


def write_notices(stream: TextIO, info: RunInfo) -> None:
    """Write the notices that a reader of the figures must not miss."""
    if info.stands_in_for:
        write_line(stream, stand_in_line(info.scenario, info.stands_in_for))
    if info.validation:
        write_line(stream, validation_line(info.validation))


def last_line(info: RunInfo, results: Results, seconds: float) -> str:
    """Return run, status, main figures and run directory in one line."""
    summary = results.get("summary") or {}
    measured = ((figure(key).short, percent(summary.get(key))) for key in ("ac", "am"))
    compatibility = "".join(f"{name} {value}, " for name, value in measured if value != DASH)
    notice = "VALIDATION (held-out training images, no test result): " if info.validation else ""
    return (
        f"{notice}{info.scenario}, {info.strategy}, seed {info.seed}: "
        f"{results.get('status', 'complete')} in {duration(seconds)}, "
        f"final accuracy {percent(summary.get('final_accuracy'))}, "
        f"average {percent(summary.get('average_accuracy'))}, {compatibility}files: {info.out}"
    )
