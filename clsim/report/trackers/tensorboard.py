"""Logging to TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from clsim.report.trackers.tracker import TrackedRun, Tracker

FOLDER = "tensorboard"
COMPARED = ("summary/final_accuracy", "summary/average_accuracy", "summary/average_forgetting")
"""Figures beside the parameters on the HParams page."""


class TensorBoardTracker(Tracker):
    """Event files in ``<run directory>/tensorboard``: scalars, parameters as text and for the HParams page, status.

    A resumed run adds a file to the folder; TensorBoard reads all of them as one run.
    """

    KIND = "tensorboard"

    def __init__(self) -> None:
        super().__init__()
        self._writer: Any = None  # a SummaryWriter
        self._ended: Any = None

    def begin(self, run: TrackedRun) -> None:
        """Open an event file."""
        from torch.utils.tensorboard import SummaryWriter
        from torch.utils.tensorboard.summary import hparams

        writer = self._writer = SummaryWriter(str(run.out / FOLDER))
        known = {key: value for key, value in run.parameters.items() if value is not None}
        # torch's add_hparams() would write to another folder, and mark the run as ended at once.
        *started, self._ended = hparams(known, dict.fromkeys(COMPARED, 0.0))
        if not run.resumed:
            # Markdown shows indented text as code.
            text = json.dumps(run.parameters, indent=1).replace("\n", "\n    ")
            writer.add_text("parameters", f"    {text}", 0)
            for summary in started:
                self._add(summary)
        writer.flush()

    def session(self, session: int, values: Mapping[str, float]) -> None:
        """Log one scalar for each figure."""
        self._scalars(session, values)

    def iteration(self, iteration: int, values: Mapping[str, float]) -> None:
        """Log one scalar for each figure."""
        self._scalars(iteration, values)

    def end(self, status: str, session: int, summary: Mapping[str, float]) -> None:
        """Log status and summary; the HParams page marks complete runs as ended."""
        self._writer.add_text("status", status, session)
        if status == "complete":
            self._add(self._ended)
        self._scalars(session, summary)

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _add(self, summary: Any) -> None:
        self._writer.file_writer.add_summary(summary)

    def _scalars(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()  # the state says that these values are logged, so they must be on disk
