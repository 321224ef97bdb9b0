"""Figures to Weights & Biases."""

from __future__ import annotations

import glob
import os
import shutil
import uuid
from collections.abc import Mapping
from typing import Any

from clsim.config.trackers import Wandb
from clsim.report.trackers.tracker import Begun, Tracker
from clsim.utils.errors import UserError

EXIT_CODES = {"complete": 0, "failed": 1, "interrupted": 130}


class WandbTracker(Tracker):
    """A W&B run, its files in ``<run directory>/wandb``; on the server too where the mode is online.

    Figures go by ``session``, those of training by ``iteration``, in place of W&B's own count of rows. A run that is
    resumed keeps its id: online it is the same run, offline another folder of the same run
    (``wandb sync --append``). Nothing is asked and nothing is printed.

    Args:
        settings: of the scenario; the environment's ``WANDB_MODE`` has the last word on the mode.

    """

    KIND = "wandb"

    def __init__(self, settings: Wandb) -> None:
        super().__init__()
        self._settings = settings
        self._run: Any = None

    def begin(self, run: Begun) -> None:
        """Opens the run."""
        os.environ.setdefault("WANDB_SILENT", "true")
        import wandb

        mode: Any = _mode(self._settings)
        run.told.run = run.told.run or uuid.uuid4().hex[:12]
        self._run = wandb.init(
            project=self._settings.project,
            entity=self._settings.entity,
            id=run.told.run,
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
        """One row a session."""
        self._run.log({"session": session, **values})

    def iteration(self, iteration: int, values: Mapping[str, float]) -> None:
        """One row."""
        self._run.log({"iteration": iteration, **values})

    def end(self, status: str, session: int, summary: Mapping[str, float]) -> None:
        """Summary and status, results and manifest as files; the run is finished."""
        self._run.summary.update({**summary, "status": status})
        for path in self.artefacts():
            copied = shutil.copy(path, self._run.dir)  # W&B itself would put a link there
            if glob.escape(copied) == copied:  # it takes a path for a pattern, and escaped it does not know its folder
                self._run.save(copied, base_path=self._run.dir, policy="now")
        self._run.finish(exit_code=EXIT_CODES.get(status, 1))
        self._run = None

    def close(self) -> None:
        """Finishes a run that nothing else has."""
        if self._run is not None:
            self._run.finish(exit_code=1)
            self._run = None


def check_login(settings: Wandb) -> None:
    """Makes sure that nobody will be asked for a key once the run is under way.

    Raises:
        UserError: the mode is online and there is no key.

    """
    if _mode(settings) != "online":
        return
    os.environ.setdefault("WANDB_SILENT", "true")
    import wandb

    try:
        known = wandb.login(prompt=False, verify=False)
    except Exception as error:  # a key that is none, in more ways than one
        raise _no_key(f"the key for Weights & Biases cannot be used: {error}") from error
    if not known:
        raise _no_key("there is no key for Weights & Biases")


def _no_key(what: str) -> UserError:
    return UserError(what, where="trackers", fix="run `wandb login`, set WANDB_API_KEY, or choose mode: offline")


def _mode(settings: Wandb) -> str:
    return os.environ.get("WANDB_MODE") or settings.mode
