"""Engine of a Ray cluster: each run is a task, which resumes from its directory on any node."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clsim.report.figures import several
from clsim.sweep.job import State, is_complete
from clsim.sweep.process import PATIENCE, Child, is_held, started, why, worth_another
from clsim.sweep.schema import Sweep
from clsim.sweep.slots import Place, gpus_of_a_run
from clsim.sweep.state import Board
from clsim.utils.errors import RunFailed, UserError
from clsim.utils.exit_codes import DONE, INTERRUPTED
from clsim.utils.signals import Interruption

STORE = 80 * 2**20
"""Bytes of the object store of a cluster started here. Only exit codes pass through it."""
PASSED_ON = ("CLSIM_", "PYTHONPATH")
"""Prefixes of environment variables to pass to tasks, since nodes have their own environment."""
NEWS = 1.0
"""Seconds between two reads of the progress of runs."""
STOPPING = 120.0
"""Seconds for runs to save when the sweep is asked to stop."""


class RayEngine:
    """Engine that runs each job as a task of a cluster, on a file system shared by all nodes.

    Args:
        sweep: Sweep with the cores, GPUs and restarts of a run.
        address: Address of the cluster: ``auto``, ``ray://host:port`` or ``host:port``; ``None`` starts one on this
            machine.

    Raises:
        UserError: Ray is not installed, or there is no such cluster.

    """

    def __init__(self, sweep: Sweep, address: str | None) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ModuleNotFoundError as error:
            raise UserError("Ray is not installed", fix="pip install 'clsim[ray]', or --engine local") from error
        self._ray: Any = ray
        own = {"object_store_memory": STORE, "include_dashboard": False} if address is None else {}
        try:
            ray.init(address=address or "local", log_to_driver=False, configure_logging=False, **own)  # type: ignore[arg-type]
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            fix = "check `ray status`, or leave --address out to start a cluster on this machine"
            raise UserError(f"no Ray cluster at {address or 'local'}: {reason}", fix=fix) from error
        self._sweep = sweep
        self._before: dict[Path, int] = {}
        has = ray.cluster_resources()
        gpus = gpus_of_a_run(sweep, int(has.get("GPU", 0)))
        self._needs = {"num_cpus": sweep.cpus or 1, "num_gpus": gpus}
        self._place = Place(max(1, int(sweep.cpus or 1)))
        cores = several(int(has.get("CPU", 0)), "core")
        self._how = f"a Ray cluster of {several(len(self._alive()), 'node')} with {cores}; its file system is shared"

    def __str__(self) -> str:
        return self._how

    def run(self, states: Sequence[State], board: Board, interruption: Interruption) -> None:
        """Run or resume every run that is not complete.

        When the sweep is asked to stop, every run is, and saves.
        """
        ray, began = self._ray, time.time()
        task = ray.remote(max_retries=self._sweep.retries, retry_exceptions=False, **self._needs)(_make)
        environment = self._place.environment
        if self._needs["num_gpus"]:
            del environment["CUDA_VISIBLE_DEVICES"]  # Ray sets it
        passed = {key: value for key, value in os.environ.items() if key.startswith(PASSED_ON)}
        out, here = board.out.absolute(), str(Path.cwd())
        pending: dict[Any, State] = {}
        for state in states:
            if state.standing != "complete":
                words = state.job.command(out, self._sweep.device)
                log, run = str(out / board.log(state.job).relative_to(board.out)), str(out / state.job.folder)
                args = (words, run, log, {**passed, **environment}, here, self._sweep.retries)
                self._before[state.job.folder] = started(Path(log))
                pending[task.remote(*args)] = state
        cancelled = 0.0
        try:
            while pending:
                if interruption.requested and not cancelled:
                    cancelled = time.monotonic()
                    for reference in pending:
                        ray.cancel(reference, recursive=False)
                if cancelled and time.monotonic() - cancelled > STOPPING:
                    break
                done, _ = ray.wait(list(pending), timeout=NEWS, fetch_local=False)
                for reference in done:
                    self._ended(reference, pending.pop(reference), board, stopped=bool(cancelled))
                for state in pending.values():
                    self._look(state, board, began)
        finally:
            for reference, state in pending.items():
                ray.cancel(reference, force=True, recursive=False)
                board.end(state, "interrupted")

    def close(self) -> None:
        """Leave the cluster, and end one that was started here."""
        self._ray.shutdown()

    def _alive(self) -> list[Any]:
        return [node for node in self._ray.nodes() if node.get("Alive")]

    def _look(self, state: State, board: Board, began: float) -> None:
        """Read the progress of a run. Its log shows that the task has begun, without asking the scheduler."""
        log = board.log(state.job)
        if state.standing != "running" and log.exists() and log.stat().st_mtime >= began - 1:
            board.begin(state)
        if state.standing == "running":
            board.look([state])

    def _ended(self, reference: Any, state: State, board: Board, *, stopped: bool) -> None:
        """Record the end of a task, also one whose nodes were lost too often."""
        log, reason = board.log(state.job), ""
        state.attempts = started(log) - self._before[state.job.folder]
        try:
            code = self._ray.get(reference)
        except self._ray.exceptions.TaskCancelledError:
            code = INTERRUPTED
        except self._ray.exceptions.RayError as error:
            code, reason = 1, (str(error).strip().splitlines() or [type(error).__name__])[0]
        if code == DONE and is_complete(board.out / state.job.folder):
            board.end(state, "complete")
        elif code == INTERRUPTED or stopped:
            board.end(state, "interrupted")
        else:
            board.end(state, "failed", reason or why(code, log))


def _make(words: Sequence[str], run: str, log: str, environment: Mapping[str, str], folder: str, retries: int) -> int:
    """Run a job's process as a task, restart it if it dies or fails, and return its exit code.

    If the node is lost, Ray starts the task on another one, and the run resumes from its directory.
    """
    if not Path(folder).is_dir():
        raise RunFailed(f"{folder} is not there on this node: a cluster needs one file system for all its nodes")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in a cluster that a script started in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    ends, attempts = time.monotonic() + PATIENCE, 0
    while is_held(Path(run)) and time.monotonic() < ends:
        time.sleep(0.2)
    while True:
        attempts += 1
        child = Child(words, Path(log), environment, Path(folder))
        try:
            while (code := child.poll()) is None:
                time.sleep(0.1)
        except KeyboardInterrupt:  # this is how Ray cancels a task
            child.end(STOPPING)
            raise
        if not worth_another(code, attempts, retries):
            return code
