"""Console output of ``--json``: one JSON object a line."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TextIO

from clsim.experiment.events import DrawEnded, Event, Note, RunEnded, RunStarted, SessionEnded
from clsim.report.console.plain import write_line
from clsim.report.console.quiet import write_notices


class JsonReporter:
    """A listener that writes a JSON object when the run starts, when a session or a draw ends, and when the run ends.

    The events are ``run_started`` with the fields of `RunInfo`, ``session_ended`` with the session's record,
    ``draw_ended`` with the results of a draw, and ``run_ended`` with the content of ``results.json``.

    Args:
        stream: Text stream for the objects.
        errors: Text stream for notes and notices.

    """

    def __init__(self, stream: TextIO, errors: TextIO) -> None:
        self._stream = stream
        self._errors = errors

    def on_event(self, event: Event) -> None:
        """Write the object of an event, if it has one."""
        match event:
            case RunStarted(info):
                write_notices(self._errors, info)
                self._write("run_started", **asdict(info))
            case SessionEnded(results):
                self._write("session_ended", record=results["sessions"][-1])
            case DrawEnded(number, draws, results):
                self._write("draw_ended", number=number, draws=draws, results=results)
            case RunEnded(results, seconds):
                self._write("run_ended", seconds=seconds, results=results)
            case Note(text):
                for line in text.splitlines():
                    write_line(self._errors, line)

    def _write(self, name: str, **content: Any) -> None:
        write_line(self._stream, json.dumps({"event": name, **strict(content)}, allow_nan=False))


def strict(value: Any) -> Any:
    """Replace NaN and infinity, which JSON does not have, by ``None``."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict(item) for item in value]
    return value
