"""Data sets as resident uint8 tensors. Importing this package does not import torch."""

from __future__ import annotations

import os
from importlib import import_module
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING

from clsim.data.facts import CAPTIONED, FACTS
from clsim.errors import ArgumentError
from clsim.files import from_home
from clsim.words import describe

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


SMALLEST, LARGEST = 8, 1024
"""Sides of images in pixels that a scenario may ask for."""
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
    return from_home(given or "~/.cache/clsim/data", "CLSIM_DATA")


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

    _check(name, image_size, root)
    if not isinstance(download, bool):
        raise ArgumentError(f"download must be true or false, got {describe(download)}", where="load")
    return catalog.load(name, image_size=_whole(image_size), root=_place(root), download=download)


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

    _check(name, image_size, root)
    return caption_sets.load(name, image_size=_whole(image_size), root=_place(root))


def _check(name: object, image_size: object, root: object) -> None:
    """Hold the arguments to the rules of a scenario's keys."""
    if not isinstance(name, str) or not name.strip():
        raise ArgumentError(
            f"name: expected a text, got {describe(name)}", where="load", fix="a data set, or folder:PATH"
        )
    if root is not None and not isinstance(root, (str, os.PathLike)):
        raise ArgumentError(f"root: expected a path, got {describe(root)}", where="load")
    size = _whole(image_size)
    if size is not None and not SMALLEST <= size <= LARGEST:
        what = f"image_size: expected {SMALLEST} to {LARGEST} pixels, got {size}"
        raise ArgumentError(what, where="load")


def _whole(number: object) -> int | None:
    """A whole number of Python, numpy or torch as Python's own."""
    if number is None:
        return None
    dtype = str(getattr(number, "dtype", "int"))
    if not isinstance(number, (bool, str, float)) and "int" in dtype and hasattr(number, "__index__"):
        try:
            return index(number)
        except TypeError:  # an array of several
            pass
    raise ArgumentError(f"image_size: expected a whole number, got {describe(number)}", where="load")


def _place(root: Path | str | None) -> Path:
    return Path(root).expanduser() if root else data_root()
