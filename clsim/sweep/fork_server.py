"""Processes of runs, forked where that is safe, so that each need not import PyTorch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from clsim.sweep.process import Child, ended_within, note_start

CLSIM = Path(__file__).resolve().parents[1]


class Launcher:
    """Starts the runs of one slot, one after the other: forked, or each in a new interpreter.

    A process that has counted the GPUs cannot be forked, and an import may count them. On macOS, system libraries do
    not survive a fork. There, and with GPUs, each run has a new interpreter.

    Args:
        environment: Environment variables, in addition to those of this process.

    Example:
        >>> Launcher({"CUDA_VISIBLE_DEVICES": "0"}).forks
        False

    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.forks = sys.platform.startswith("linux") and environment.get("CUDA_VISIBLE_DEVICES") == ""
        self._environment = environment
        self._server = ForkServer(environment)

    def start(self, words: Sequence[str], log: Path, folder: Path) -> Child | ForkedChild:
        """Start the process of a run.

        Args:
            words: Arguments of ``clsim``.
            log: File to append the output to.
            folder: Working directory.

        """
        if self.forks:
            return self._server.start(words, log, folder)
        return Child(words, log, self._environment, folder)

    def close(self) -> None:
        """Release the resources; no run is under way."""
        self._server.close()


class ForkServer:
    """Process that has imported clsim and forks one run after the other.

    It starts with the first run, and again when it has died or when a file of clsim has changed since.

    Args:
        environment: Environment variables, in addition to those of this process.

    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[str] | None = None
        self._stamp = 0

    def start(self, words: Sequence[str], log: Path, folder: Path) -> ForkedChild:
        """Fork the process of a run.

        Args:
            words: Arguments of ``clsim``.
            log: File to append the output to.
            folder: Working directory.

        """
        note_start(words, log)
        request = json.dumps({"words": [*words], "log": str(log.absolute()), "folder": str(folder)}) + "\n"
        server = self._server(log)
        assert server.stdin is not None
        with suppress(BrokenPipeError):  # it died; the run counts as one that did
            server.stdin.write(request)
            server.stdin.flush()
        return ForkedChild(server)

    def close(self) -> None:
        """End the server, which has no run any more."""
        if self._process is not None:
            for stream in (self._process.stdin, self._process.stdout):
                assert stream is not None
                with suppress(OSError):
                    stream.close()
            self._process.terminate()
            self._process.wait()
            self._process = None

    def _server(self, log: Path) -> subprocess.Popen[str]:
        stamp = code_stamp()
        if self._process is not None and (self._process.poll() is not None or stamp != self._stamp):
            self.close()
        if self._process is None:
            self._stamp = stamp
            with log.open("a", encoding="utf-8") as errors:
                self._process = subprocess.Popen(  # noqa: S603
                    [sys.executable, "-m", "clsim.cli.sweep_server", str(os.getpid())],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=self._environment,
                    text=True,
                    start_new_session=True,
                )
            assert self._process.stdout is not None
            os.set_blocking(self._process.stdout.fileno(), False)
        return self._process


class ForkedChild:
    """Process of a run that a server has forked; see :class:`~clsim.sweep.process.Child`.

    Args:
        server: Process of the server, which has received the request.

    """

    def __init__(self, server: subprocess.Popen[str]) -> None:
        self._server = server
        self._replies = ""
        self._process: int | None = None
        self._code: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; ``None`` while it runs."""
        if self._code is None:
            died = self._server.poll()  # before reading, so that no reply is missed
            self._read()
            if self._code is None and died is not None:
                self._code = died or 1
        return self._code

    def stop(self) -> None:
        """Ask the process to save and exit; a second call asks it to exit at once."""
        if self.poll() is None:
            self._send(signal.SIGTERM)

    def end(self, patience: float = 10.0) -> None:
        """Stop the process, and kill it if it still runs after ``patience`` seconds."""
        self.stop()
        if not ended_within(self.poll, patience):
            self._send(signal.SIGKILL)
            ended_within(self.poll, patience)

    def _send(self, number: int) -> None:
        if self._process is None:  # the server still imports: there is no run to save
            self._server.send_signal(number)
            return
        with suppress(ProcessLookupError):
            os.kill(self._process, number)

    def _read(self) -> None:
        assert self._server.stdout is not None
        with suppress(BlockingIOError):
            while part := os.read(self._server.stdout.fileno(), 4096):
                self._replies += part.decode()
        *lines, self._replies = self._replies.split("\n")
        for reply in map(json.loads, lines):
            self._process = reply.get("pid", self._process)
            self._code = reply.get("code", self._code)


def code_stamp(folder: Path = CLSIM) -> int:
    """Return a number that changes with the files of clsim: a hash of their paths and times.

    Example:
        >>> code_stamp() == code_stamp()
        True

    """
    return hash(tuple(sorted((str(path), path.stat().st_mtime_ns) for path in folder.rglob("*.py"))))
