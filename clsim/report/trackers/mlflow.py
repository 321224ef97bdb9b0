"""Logging to MLflow."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from clsim.config.trackers import Mlflow
from clsim.report.trackers.tracker import TrackedRun, Tracker
from clsim.utils.text import clean

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

BATCH = 100
"""Parameters or metrics in one request; MLflow refuses more parameters."""
STATUSES = {"complete": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
T = TypeVar("T")


class MlflowTracker(Tracker):
    """An MLflow run, in ``./mlruns``, in the folder or on the server of the settings.

    Its status is FINISHED, FAILED or KILLED; a resumed run is the same MLflow run, RUNNING again.

    Args:
        settings: Settings of the scenario; without a URI there, the environment's ``MLFLOW_TRACKING_URI`` counts.

    """

    KIND = "mlflow"

    def __init__(self, settings: Mlflow) -> None:
        super().__init__()
        self._settings = settings
        self._uri = place(settings)
        self._client: MlflowClient | None = None
        self._run = ""

    def begin(self, run: TrackedRun) -> None:
        """Open the run."""
        # MLflow prefers a database, which its small package cannot open.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow.entities import Param
        from mlflow.tracking import MlflowClient

        client = self._client = MlflowClient(tracking_uri=self._uri)
        if run.resumed and run.state.run:
            self._run = run.state.run
            client.update_run(self._run, status="RUNNING")
            return
        experiment = _experiment(client, clean(self._settings.experiment or run.info.scenario))
        self._run = run.state.run = client.create_run(experiment, run_name=clean(run.name)).info.run_id
        known = [Param(key, str(value)) for key, value in run.parameters.items()]
        for some in _batches(known):
            client.log_batch(self._run, params=some)

    def session(self, session: int, values: Mapping[str, float]) -> None:
        """Log one metric for each figure."""
        self._metrics(session, values)

    def iteration(self, iteration: int, values: Mapping[str, float]) -> None:
        """Log one metric for each figure."""
        self._metrics(iteration, values)

    def end(self, status: str, session: int, summary: Mapping[str, float]) -> None:
        """Log summary and status, with results and manifest as artifacts."""
        assert self._client is not None
        self._metrics(session, summary)
        self._client.set_tag(self._run, "status", status)
        for path in self.artifacts():
            self._client.log_artifact(self._run, str(path))
        self._client.set_terminated(self._run, STATUSES.get(status, "FAILED"))

    def _metrics(self, step: int, values: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        assert self._client is not None
        now = int(time.time() * 1000)
        for some in _batches([Metric(name, value, now, step) for name, value in values.items()]):
            self._client.log_batch(self._run, metrics=some)


def place(settings: Mlflow) -> str:
    """Return the URI of the runs: that of a server, or of a folder's absolute path."""
    given = settings.uri or os.environ.get("MLFLOW_TRACKING_URI") or "mlruns"
    return given if "://" in given or given.startswith("file:") else Path(given).absolute().as_uri()


def _experiment(client: MlflowClient, name: str) -> str:
    """Return the id of the experiment of that name; another process may create it meanwhile."""
    known: Any = client.get_experiment_by_name(name)
    if known is None:
        try:
            return client.create_experiment(name)
        except Exception:
            known = client.get_experiment_by_name(name)
            if known is None:
                raise
    return str(known.experiment_id)


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]
