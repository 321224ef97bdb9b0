"""The model hub asked only where it answers, and packages that a model may lack."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import constants

from clsim.utils import download
from clsim.utils.errors import UserError


@contextmanager
def cached_if_unreachable() -> Iterator[None]:
    """Inside, the hub's library looks only at what it has on disk if the hub is out of reach.

    Left alone it repeats each request with growing pauses, most of a minute in all.
    """
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not download.reachable(constants.ENDPOINT)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def package_missing(what: str, error: ImportError) -> UserError:
    """Return the error that names the package to install.

    Args:
        what: What needs it.
        error: raised by the import.

    """
    name = (error.name or "").partition(".")[0]
    if not name:
        return UserError(f"{what} needs a package that is not installed ({error})", fix="Install it with pip.")
    return UserError(f"{what} needs the package {name}, which is not installed", fix=f"pip install {name}")
