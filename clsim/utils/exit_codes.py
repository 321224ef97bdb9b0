"""How the command line ends: every exception as an exit code and a message, a traceback only on request."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from pathlib import Path
from typing import NamedTuple

from clsim.utils.errors import LONGEST, RunFailed, UserError, UserErrors
from clsim.utils.text import clean, short

DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130
_WRONG_PATH = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP)
_INTERRUPTED = "interrupted; what was written before is whole"
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Ending(NamedTuple):
    """An exit code and what to say."""

    code: int
    message: str


def ending(error: BaseException) -> Ending:
    """What an exception means to the user: wrong input (2), a failed run (1) or an interruption (130)."""
    if isinstance(error, UserErrors):
        return Ending(WRONG_INPUT, f"{error}\n{error.what}")
    if isinstance(error, UserError):
        return Ending(WRONG_INPUT, str(error) if error.where else f"clsim: {error}")
    if isinstance(error, RunFailed):
        return Ending(FAILED, f"clsim: {error}")
    if isinstance(error, KeyboardInterrupt):
        return Ending(INTERRUPTED, f"clsim: interrupted; {error}" if str(error) else f"clsim: {_INTERRUPTED}")
    if isinstance(error, BrokenPipeError):
        return Ending(FAILED, "")
    if isinstance(error, OSError) and error.errno in _WRONG_PATH:
        return Ending(WRONG_INPUT, f"clsim: {_file(error)}{error.strerror}")
    # Libraries in other languages tell of a full disk only by their text.
    full = isinstance(error, OSError) and error.errno in _FULL
    if full or "No space left on device" in str(error):
        return Ending(FAILED, f"clsim: {_file(error)}no space left on the disk")
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return Ending(FAILED, f"clsim: out of memory; a smaller batch needs less ({_first_line(error)})")
    hint = "  CLSIM_DEBUG=1 shows the traceback"
    if isinstance(error, OSError):
        return Ending(FAILED, f"clsim: {_file(error)}{error.strerror or _first_line(error)}\n{hint}")
    return Ending(FAILED, f"clsim: failed: {type(error).__name__}: {_first_line(error)}{_place(error)}\n{hint}")


def leave(error: BaseException) -> int:
    """Say how it ended, on standard error; the exit code."""
    if os.environ.get("CLSIM_DEBUG", "0") not in ("", "0") and not isinstance(error, BrokenPipeError):
        print(lines_of("".join(traceback.format_exception(error))), file=sys.stderr)
    code, message = ending(error)
    if message:
        print(message, file=sys.stderr)
    return code


def lines_of(text: str) -> str:
    """The lines of a text from elsewhere, each as it may reach a terminal."""
    return "\n".join(map(clean, text.splitlines()))


def _place(error: BaseException) -> str:
    """The last line of a user's own file, or of a strategy, that led to the error; empty if none did."""
    libraries = (Path(__file__).parents[1], Path(os.__file__).parent)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        foreign = "site-packages" in path.parts or path.name == Path(sys.argv[0]).name
        if path.suffix == ".py" and not foreign and not any(library in path.parents for library in libraries):
            return f" ({clean(path)}:{frame.lineno})"
    return ""


def _file(error: BaseException) -> str:
    name = getattr(error, "filename", None)
    return f"{short(name, LONGEST)}: " if name else ""


def _first_line(error: BaseException) -> str:
    return short((str(error).strip().splitlines() or ["no message"])[0], LONGEST)
