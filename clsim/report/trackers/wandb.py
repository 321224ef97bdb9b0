"""Logging to Weights & Biases."""

from __future__ import annotations

import glob
import os
import shutil
import uuid
from collections.abc import Mapping
from typing import Any

from clsim.config.trackers import Wandb
from clsim.report.trackers.tracker import TrackedRun, Tracker
from clsim.utils.errors import UserError

EXIT_CODES = {"complete": 0, "failed": 1, "interrupted": 130}


class WandbTracker(Tracker):
    """A W&B run, its files in ``<run directory>/wandb``; also on the server if the mode is online.

    The x-axis of figures is ``session``, that of training ``iteration``, in place of W&B's count of rows. A resumed run
    keeps its id: online it is the same run, offline another folder of the same run (``wandb sync --append``).
    Nothing is asked and nothing is printed.

    Args:
        settings: Settings of the scenario; the environment's ``WANDB_MODE`` overrides the mode.

    """

    KIND = "wandb"

    def __init__(self, settings: Wandb) -> None:
        super().__init__()
        self._settings = settings
        self._run: Any = None

    def begin(self, run: TrackedRun) -> None:
        """Open the run."""
        os.environ.setdefault("WANDB_SILENT", "true")
        import wandb

        mode: Any = _mode(self._settings)
        run.state.run = run.state.run or uuid.uuid4().hex[:12]
        self._run = wandb.init(
            project=self._settings.project,
            entity=self._settings.entity,
            id=run.state.run,
            name=run.name,
            group=run.info.scenario,
            config=run.parameters,
            dir=str(run.out.absolute()),  # another process writes there
            mode=mode,
            resume="allow" if mode == "online" else None,
            reinit="create_new",
            settings=wandb.Settings(silent=True, console="off", disable_git=True, disable_code=True),
        )
        self._run.define_metric("*", step_metric="session", step_sync=False)
        for name in ("loss", "images_per_second"):
            self._run.define_metric(name, step_metric="iteration", step_sync=False)

    def session(self, session: int, values: Mapping[str, float]) -> None:
        """Log one row for the session."""
        self._run.log({"session": session, **values})

    def iteration(self, iteration: int, values: Mapping[str, float]) -> None:
        """Log one row."""
        self._run.log({"iteration": iteration, **values})

    def end(self, status: str, session: int, summary: Mapping[str, float]) -> None:
        """Log summary and status, save results and manifest as files, and finish the run."""
        self._run.summary.update({**summary, "status": status})
        for path in self.artifacts():
            copied = shutil.copy(path, self._run.dir)  # W&B itself would put a link there
            if (
                glob.escape(copied) == copied
            ):  # save() reads the path as a pattern, and an escaped one no longer matches its folder
                self._run.save(copied, base_path=self._run.dir, policy="now")
        self._run.finish(exit_code=EXIT_CODES.get(status, 1))
        self._run = None

    def close(self) -> None:
        """Finish a run that has not ended otherwise."""
        if self._run is not None:
            self._run.finish(exit_code=1)
            self._run = None


def check_login(settings: Wandb) -> None:
    """Check that W&B will not ask for a key during the run.

    Raises:
        UserError: The mode is online and there is no key.

    """
    if _mode(settings) != "online":
        return
    os.environ.setdefault("WANDB_SILENT", "true")
    import wandb

    try:
        known = wandb.login(prompt=False, verify=False)
    except Exception as error:  # W&B raises several types for a malformed key
        raise _no_key(f"the key for Weights & Biases cannot be used: {error}") from error
    if not known:
        raise _no_key("there is no key for Weights & Biases")


def _no_key(what: str) -> UserError:
    return UserError(what, where="trackers", fix="run `wandb login`, set WANDB_API_KEY, or choose mode: offline")


def _mode(settings: Wandb) -> str:
    return os.environ.get("WANDB_MODE") or settings.mode
