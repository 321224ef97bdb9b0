"""Installed packages that extend clsim with data sets and figures."""

from __future__ import annotations

from functools import cache
from importlib import metadata

from clsim.utils.errors import UserError

GROUP = "clsim.extensions"
"""Group of entry points; each names a module that registers what it offers when it is imported."""


@cache
def load_extensions() -> None:
    """Import every module that an installed package names as an entry point of the group ``clsim.extensions``.

    Raises:
        UserError: A module cannot be imported.

    """
    for entry in metadata.entry_points(group=GROUP):
        try:
            entry.load()
        except Exception as error:
            what = f"the extension {entry.name} ({entry.value}) fails: {type(error).__name__}: {error}"
            raise UserError(what, fix="update or remove the package that provides it") from error
