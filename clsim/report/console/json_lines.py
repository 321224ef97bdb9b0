"""The reporter for machines: one JSON object a line."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TextIO

from clsim.experiment.reporter import Results, RunInfo
from clsim.report.console.plain import stand_in_line, validation_line, write_line


class JsonReporter:
    """Writes ``run_started``, ``session_ended`` with its record and ``run_ended`` with the whole results.

    Nothing else goes to `stream`; notes and a stand-in's notice go to `errors`.
    """

    def __init__(self, stream: TextIO, errors: TextIO) -> None:
        self._stream = stream
        self._errors = errors

    def run_started(self, info: RunInfo) -> None:
        """``{"event": "run_started", "scenario": ..., ...}``: the fields of `RunInfo`."""
        if info.stands_in_for:
            write_line(self._errors, stand_in_line(info.scenario, info.stands_in_for))
        if info.validation:
            write_line(self._errors, validation_line(info.validation))
        self._event("run_started", **asdict(info))

    def session_started(self, session: int, new_classes: int, images: int, epochs: int, steps: int) -> None:
        """Silent."""

    def progress(self, epoch: int, step: int, loss: float | None, images_per_second: float) -> None:
        """Silent."""

    def session_ended(self, results: Results) -> None:
        """``{"event": "session_ended", "record": ...}``."""
        self._event("session_ended", record=results["sessions"][-1])

    def run_ended(self, results: Results, seconds: float) -> None:
        """``{"event": "run_ended", "seconds": ..., "results": ...}``."""
        self._event("run_ended", seconds=seconds, results=results)

    def note(self, text: str) -> None:
        """To the other stream."""
        for line in text.splitlines():
            write_line(self._errors, line)

    def close(self) -> None:
        """Nothing is held."""

    def _event(self, name: str, **content: Any) -> None:
        write_line(self._stream, json.dumps({"event": name, **strict(content)}, allow_nan=False))


def strict(value: Any) -> Any:
    """`value` with null for every NaN and infinity, which JSON does not know."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict(item) for item in value]
    return value
