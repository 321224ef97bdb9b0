"""Access to the model hub that fails fast, and the error of a missing package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import constants

from clsim.utils import download
from clsim.utils.errors import UserError


@contextmanager
def cached_if_unreachable() -> Iterator[None]:
    """Use only the hub's files on disk in this context if the hub is unreachable.

    Otherwise its library repeats each request with growing pauses, for most of a minute.
    """
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not download.reachable(constants.ENDPOINT)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def package_missing(what: str, error: ImportError) -> UserError:
    """Return an error that names the package to install.

    Args:
        what: Name of the model or part that needs it.
        error: Error of the import.

    """
    name = (error.name or "").partition(".")[0]
    if not name:
        return UserError(f"{what} needs a package that is not installed ({error})", fix="Install it with pip.")
    return UserError(f"{what} needs the package {name}, which is not installed", fix=f"pip install {name}")
