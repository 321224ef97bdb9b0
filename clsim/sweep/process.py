"""The process of a run: started with its threads and GPUs, stopped so that it saves, gone if its parent is."""

from __future__ import annotations

import fcntl
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from clsim.utils.exit_codes import DONE, WRONG_INPUT

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""What has to be set before torch is imported."""
PATIENCE = 60.0
"""Seconds for which a run directory is waited that a process still writes to."""
STARTED = "$ clsim "
"""Beginning of a line of a log that is a command."""
LAST = 4096
"""Bytes at the end of a log in which the reason of a failure is looked for."""


class Child:
    """A run under way.

    Args:
        words: what comes after ``clsim``.
        log: the file to which everything it says is added.
        environment: what it has beside that of this process.
        folder: in which it works.

    """

    def __init__(self, words: Sequence[str], log: Path, environment: Mapping[str, str], folder: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as said:
            said.write(f"{STARTED}{shlex.join(words)}\n")
            said.flush()
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "clsim.cli.sweep_child", str(os.getpid()), *words],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                cwd=folder,
                start_new_session=True,  # Ctrl-C reaches the sweep, which tells each run once
            )

    def poll(self) -> int | None:
        """The exit code, below 0 the signal that ended it; ``None`` as long as it runs."""
        return self._process.poll()

    def stop(self) -> None:
        """Has it save and leave; a second time, leave at once."""
        if self._process.poll() is None:
            self._process.terminate()

    def end(self, patience: float = 10.0) -> None:
        """Makes sure that it is gone."""
        self.stop()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def worth_another(code: int, attempts: int, retries: int) -> bool:
    """Whether a run that ended like this is taken up again: not if it is done, or if its input is wrong."""
    return code not in (DONE, WRONG_INPUT) and attempts <= retries


def started(log: Path) -> int:
    """How many processes have written to a log."""
    try:
        return sum(line.startswith(STARTED) for line in log.read_text(encoding="utf-8", errors="replace").splitlines())
    except OSError:
        return 0


def why(code: int, log: Path) -> str:
    """Why a run failed: the last thing that it said, and the signal if it was one."""
    try:
        with log.open("rb") as said:
            said.seek(max(0, log.stat().st_size - LAST))
            lines = said.read().decode("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    told = [line.strip() for line in lines if line.startswith("clsim: ")] or [line for line in lines if line.strip()]
    last = told[-1].removeprefix("clsim: ") if told and not told[-1].startswith(STARTED) else "it said nothing"
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return last if code else "it left no complete run"


def is_held(run: Path) -> bool:
    """Whether a process still writes to a run directory, such as one whose sweep was killed and that saves."""
    try:
        with (run / ".lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
