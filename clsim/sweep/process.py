"""Processes of runs: started with threads and GPUs, asked to save, ended with their parent."""

from __future__ import annotations

import fcntl
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from clsim.utils.exit_codes import DONE, WRONG_INPUT

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Variables that must be set before torch is imported."""
PATIENCE = 60.0
"""Seconds to wait for a run directory that a process still writes to."""
STARTED = "$ clsim "
"""Prefix of commands in a log."""
LAST = 4096
"""Bytes at the end of a log to search for the reason of a failure."""


class Child:
    """Process of a run.

    Args:
        words: Arguments of ``clsim``.
        log: File to append the output to.
        environment: Environment variables, in addition to those of this process.
        folder: Working directory.

    """

    def __init__(self, words: Sequence[str], log: Path, environment: Mapping[str, str], folder: Path) -> None:
        note_start(words, log)
        with log.open("a", encoding="utf-8") as output:
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "clsim.cli.sweep_child", str(os.getpid()), *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                cwd=folder,
                start_new_session=True,  # Ctrl-C reaches the sweep, which signals each run once
            )

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; ``None`` while it runs."""
        return self._process.poll()

    def stop(self) -> None:
        """Ask the process to save and exit; a second call asks it to exit at once."""
        if self._process.poll() is None:
            self._process.terminate()

    def end(self, patience: float = 10.0) -> None:
        """Stop the process, and kill it if it still runs after ``patience`` seconds."""
        self.stop()
        if not ended_within(self.poll, patience):
            self._process.kill()
            self._process.wait()


def note_start(words: Sequence[str], log: Path) -> None:
    """Append the command of a process to its log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as output:
        output.write(f"{STARTED}{shlex.join(words)}\n")


def ended_within(poll: Callable[[], int | None], patience: float) -> bool:
    """Return whether a process ends within some seconds.

    Args:
        poll: Function that returns its exit code, ``None`` while it runs.
        patience: Seconds to wait.

    """
    until = time.monotonic() + patience
    while poll() is None:
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def worth_another(code: int, attempts: int, retries: int) -> bool:
    """Return whether to restart a run: not after success, invalid input or the last retry."""
    return code not in (DONE, WRONG_INPUT) and attempts <= retries


def started(log: Path) -> int:
    """Return the number of processes that have written to a log."""
    try:
        return sum(line.startswith(STARTED) for line in log.read_text(encoding="utf-8", errors="replace").splitlines())
    except OSError:
        return 0


def why(code: int, log: Path) -> str:
    """Return why a run failed: its last message, and the signal if there was one."""
    try:
        with log.open("rb") as output:
            output.seek(max(0, log.stat().st_size - LAST))
            lines = output.read().decode("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    messages = [line.strip() for line in lines if line.startswith("clsim: ")] or [
        line for line in lines if line.strip()
    ]
    last = messages[-1].removeprefix("clsim: ") if messages and not messages[-1].startswith(STARTED) else "no output"
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return last if code else "it left no complete run"


def is_held(run: Path) -> bool:
    """Return whether a process still writes to a run directory, for instance after its sweep was killed."""
    try:
        with (run / ".lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
