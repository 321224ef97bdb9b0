"""Directory of an audit's files."""

from __future__ import annotations

import os
from pathlib import Path

from clsim.utils.errors import UserError

FILES = ("audit.json", "audit.html", "chain.json")
"""Files that mark a directory as an audit's."""


def check_out(directory: Path) -> Path:
    """Return a directory if an audit may write there: it is absent, empty, or an earlier audit's.

    Raises:
        UserError: It is a file, holds other files, or cannot be written.

    Example:
        >>> from tempfile import mkdtemp
        >>> check_out(Path(mkdtemp())).is_dir()
        True

    """
    place = next((each for each in (directory, *directory.parents) if each.exists()), Path())
    if not place.is_dir():
        raise UserError("this is a file, not a directory", where=str(place), fix="Name another directory with --out.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UserError("this directory cannot be written", where=str(place))
    if place == directory and any(directory.iterdir()) and not any((directory / name).exists() for name in FILES):
        fix = "Name an empty directory, or one of an earlier audit, which is overwritten."
        raise UserError("this directory holds other files", where=str(directory), fix=fix)
    return directory
