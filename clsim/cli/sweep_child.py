"""Process of a run in a sweep: ``clsim``, which the kernel signals when the sweep ends.

A run therefore never outlives its sweep: it saves, and the sweep resumes it when it is repeated.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

from clsim.utils.exit_codes import INTERRUPTED

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Run ``clsim`` after removing the parent's process id from the command line."""
    end_with_parent(int(sys.argv.pop(1)))
    sys.argv[0] = "clsim"
    from clsim.cli.main import main as clsim

    clsim()


def end_with_parent(parent: int) -> None:
    """Ask the kernel to terminate this process when its parent ends; exit if that has happened already.

    Args:
        parent: Process id of the parent.

    """
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # the parent ended before the call
            sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
