"""A run as a process of a sweep: ``clsim`` itself, which the kernel tells when the sweep has gone.

So no run is left that nobody knows of: it saves, and the sweep goes on with it when it is started again.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

from clsim.utils.exit_codes import INTERRUPTED

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """What ``clsim`` does, after the process id of the parent has been taken off the command line."""
    parent = int(sys.argv.pop(1))
    sys.argv[0] = "clsim"
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it went before that
            sys.exit(INTERRUPTED)
    from clsim.cli.main import main as clsim

    clsim()


if __name__ == "__main__":
    main()
