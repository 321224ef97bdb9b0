"""Figures to TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from clsim.report.trackers.tracker import Begun, Tracker

FOLDER = "tensorboard"
COMPARED = ("summary/final_accuracy", "summary/average_accuracy", "summary/average_forgetting")
"""Figures that the HParams page shows beside the parameters."""


class TensorBoardTracker(Tracker):
    """Event files in ``<run directory>/tensorboard``: scalars, parameters as text and for the HParams page, status.

    A run that is resumed adds a file to the folder, and TensorBoard reads them as one run.
    """

    KIND = "tensorboard"

    def __init__(self) -> None:
        super().__init__()
        self._writer: Any = None  # a SummaryWriter
        self._ended: Any = None

    def begin(self, run: Begun) -> None:
        """Opens a file."""
        from torch.utils.tensorboard import SummaryWriter
        from torch.utils.tensorboard.summary import hparams

        writer = self._writer = SummaryWriter(str(run.out / FOLDER))
        known = {key: value for key, value in run.parameters.items() if value is not None}
        # torch's own add_hparams() would put them into a folder of their own, and say at once that the run ended well.
        *started, self._ended = hparams(known, dict.fromkeys(COMPARED, 0.0))
        if not run.resumed:
            # Indented, Markdown shows it as it is.
            text = json.dumps(run.parameters, indent=1).replace("\n", "\n    ")
            writer.add_text("parameters", f"    {text}", 0)
            for summary in started:
                self._add(summary)
        writer.flush()

    def session(self, session: int, values: Mapping[str, float]) -> None:
        """One scalar a figure."""
        self._scalars(session, values)

    def iteration(self, iteration: int, values: Mapping[str, float]) -> None:
        """The same."""
        self._scalars(iteration, values)

    def end(self, status: str, session: int, summary: Mapping[str, float]) -> None:
        """Status and summary; the HParams page knows runs that are complete."""
        self._writer.add_text("status", status, session)
        if status == "complete":
            self._add(self._ended)
        self._scalars(session, summary)

    def close(self) -> None:
        """Closes the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _add(self, summary: Any) -> None:
        self._writer.file_writer.add_summary(summary)

    def _scalars(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()  # what is noted as told is not to be lost with the process
