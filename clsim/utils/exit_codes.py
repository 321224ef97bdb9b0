"""Exit code and message of every exception; a traceback is shown only on request."""

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
_INTERRUPTED = "interrupted; all files written so far are complete"
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Ending(NamedTuple):
    """End of a command.

    Attributes:
        code: Exit code.
        message: Message for standard error; empty for none.
    """

    code: int
    message: str


def ending(error: BaseException) -> Ending:
    """Return the exit code and message of an exception: invalid input (2), a failed run (1) or an interrupt (130)."""
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
    # Libraries in other languages report a full disk only in their text.
    full = isinstance(error, OSError) and error.errno in _FULL
    if full or "No space left on device" in str(error):
        return Ending(FAILED, f"clsim: {_file(error)}no space left on the disk")
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return Ending(FAILED, f"clsim: out of memory; try a smaller batch ({_first_line(error)})")
    hint = "  set CLSIM_DEBUG=1 to see the traceback"
    if isinstance(error, OSError):
        return Ending(FAILED, f"clsim: {_file(error)}{error.strerror or _first_line(error)}\n{hint}")
    return Ending(FAILED, f"clsim: failed: {type(error).__name__}: {_first_line(error)}{_place(error)}\n{hint}")


def leave(error: BaseException) -> int:
    """Print the message of an exception to standard error and return the exit code."""
    if os.environ.get("CLSIM_DEBUG", "0") not in ("", "0") and not isinstance(error, BrokenPipeError):
        print(lines_of("".join(traceback.format_exception(error))), file=sys.stderr)
    code, message = ending(error)
    if message:
        print(message, file=sys.stderr)
    return code


def lines_of(text: str) -> str:
    """Escape each line of a foreign text for a terminal."""
    return "\n".join(map(clean, text.splitlines()))


def _place(error: BaseException) -> str:
    """Return the last line of the user's own code in the traceback as ``(file:line)``; empty if there is none."""
    # Skip clsim itself, the standard library and installed packages.
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
