"""Process that imports clsim once and forks a process for every run of a sweep.

Importing PyTorch and Avalanche takes longer than a run on stored features. A forked process shares nothing else with
other runs: data, weights and user code are loaded after the fork.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

from clsim.cli.sweep_child import end_with_parent

PRELOADED = (
    "clsim.api.simulation",
    "clsim.cli.main",
    "clsim.data.catalog",
    "clsim.models.heads",
    "clsim.report.html.page",
    "plotly.graph_objects",
)
"""Modules to import before the first run."""


def main() -> None:
    """Serve requests until standard input ends. In a forked process, run ``clsim``."""
    parent = int(sys.argv[1])
    end_with_parent(parent)
    for module in PRELOADED:
        import_module(module)
    # Replies leave by a descriptor that no import can print to.
    replies = os.dup(1)
    os.dup2(2, 1)
    request = serve(0, replies)
    if request is None:
        return
    os.close(replies)
    become(request)
    from clsim.cli.main import main as clsim

    clsim()


def serve(requests: int, replies: int) -> dict[str, Any] | None:
    """Fork a process for every request and wait for its end.

    A request is a line of JSON with ``words``, ``log`` and ``folder``. Replies are lines of JSON: ``pid`` after the
    fork, ``code`` after the end.

    Args:
        requests: Descriptor to read requests from.
        replies: Descriptor to write replies to.

    Returns:
        The request in a forked process; ``None`` in this process when there are no more requests.

    """
    with os.fdopen(requests, encoding="utf-8", closefd=False) as lines:
        for line in iter(lines.readline, ""):
            process = os.fork()
            if process == 0:
                return {**json.loads(line), "parent": os.getppid()}
            _reply(replies, pid=process)
            _, status = os.waitpid(process, 0)
            _reply(replies, code=os.waitstatus_to_exitcode(status))
    return None


def become(request: dict[str, Any]) -> None:
    """Turn the forked process into that of a run: its session, directory, output and arguments."""
    os.setsid()  # Ctrl-C reaches the sweep, which signals each run once
    end_with_parent(request["parent"])
    os.chdir(request["folder"])
    log = os.open(request["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(log)
    os.close(nothing)
    sys.argv = ["clsim", *request["words"]]


def _reply(replies: int, **content: int) -> None:
    with suppress(BrokenPipeError):  # the sweep has ended, and its signal is on the way
        os.write(replies, (json.dumps(content) + "\n").encode())


if __name__ == "__main__":
    main()
