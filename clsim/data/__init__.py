"""Data sets as resident uint8 tensors. Importing this package does not import torch."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from clsim.data.facts import CAPTIONED, FACTS

if TYPE_CHECKING:
    from clsim.data.captioned import CaptionDataSet, CaptionedImages
    from clsim.data.images import DataSet, Images

__all__ = [
    "CAPTION_NAMES",
    "NAMES",
    "CaptionDataSet",
    "CaptionedImages",
    "DataSet",
    "Images",
    "data_root",
    "load",
    "load_captions",
]


NAMES = tuple(FACTS)
"""Data sets that :func:`load` knows by name, beside ``folder:PATH``."""
CAPTION_NAMES = tuple(CAPTIONED)
"""Data sets that :func:`load_captions` knows by name, beside ``captions:PATH``."""


def __getattr__(name: str) -> object:
    """The classes of data sets, imported with torch when first asked for."""
    module = {
        "DataSet": "images",
        "Images": "images",
        "CaptionDataSet": "captioned",
        "CaptionedImages": "captioned",
    }.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"clsim.data.{module}"), name)


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


def load_captions(name: str, *, image_size: int | None = None, root: Path | str | None = None) -> CaptionDataSet:
    """Load images with captions by name, or any table of them as ``captions:PATH``.

    Args:
        name: one of :data:`CAPTION_NAMES`, or ``captions:PATH``.
        image_size: side of the square images in pixels; None keeps the data set's own.
        root: where data sets live; :func:`data_root` unless given.

    Raises:
        DataMissing: it is not here.
        UserError: the name is unknown, or a file of it is damaged or unreadable.
    """
    from clsim.data import caption_sets

    return caption_sets.load(name, image_size=image_size, root=Path(root) if root else data_root())
