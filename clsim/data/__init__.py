"""Data sets as resident uint8 tensors. Importing this package does not import torch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from clsim.data.facts import FACTS

if TYPE_CHECKING:
    from clsim.data.images import DataSet, Images

__all__ = ["NAMES", "DataSet", "Images", "data_root", "load"]


NAMES = tuple(FACTS)
"""Data sets that :func:`load` knows by name, beside ``folder:PATH``."""


def __getattr__(name: str) -> object:
    """``DataSet`` and ``Images``, imported with torch when first asked for."""
    if name not in ("DataSet", "Images"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from clsim.data import images

    return getattr(images, name)


def data_root() -> Path:
    """Where data sets live: ``$CLSIM_DATA``, else ``~/.cache/clsim/data``."""
    given = os.environ.get("CLSIM_DATA")
    return Path(given).expanduser() if given else Path.home() / ".cache" / "clsim" / "data"


def load(name: str, *, image_size: int | None = None, root: Path | str | None = None, download: bool = True) -> DataSet:
    """Load a data set by name, or any image folder or archive of one as ``folder:PATH``.

    Args:
        name: one of :data:`NAMES`, or ``folder:PATH``.
        image_size: side of the square images in pixels; None keeps the data set's own.
        root: where data sets live; :func:`data_root` unless given.
        download: fetch what is not here, if the network allows.

    Raises:
        DataMissing: it is not here and could not be fetched.
        UserError: the name is unknown, or a file of it is altered or unreadable.
    """
    from clsim.data import catalog

    place = Path(root) if root else data_root()
    return catalog.load(name, image_size=image_size, root=place, download=download)
