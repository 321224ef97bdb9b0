"""Loading of data sets by name. Importing this module does not import torch."""

from __future__ import annotations

import os
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING

from clsim.data.root import data_root
from clsim.utils.errors import ArgumentError
from clsim.utils.text import describe

if TYPE_CHECKING:
    from clsim.data.core.captioned import CaptionDataSet
    from clsim.data.core.images import DataSet

SMALLEST, LARGEST = 8, 1024
"""Sides of images in pixels that a scenario may ask for."""


def load_dataset(
    name: str, *, image_size: int | None = None, root: Path | str | None = None, download: bool = True
) -> DataSet:
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
        raise ArgumentError(f"download must be true or false, got {describe(download)}", where="load_dataset")
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
            f"name: expected a text, got {describe(name)}", where="load_dataset", fix="a data set, or folder:PATH"
        )
    if root is not None and not isinstance(root, (str, os.PathLike)):
        raise ArgumentError(f"root: expected a path, got {describe(root)}", where="load_dataset")
    size = _whole(image_size)
    if size is not None and not SMALLEST <= size <= LARGEST:
        what = f"image_size: expected {SMALLEST} to {LARGEST} pixels, got {size}"
        raise ArgumentError(what, where="load_dataset")


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
    raise ArgumentError(f"image_size: expected a whole number, got {describe(number)}", where="load_dataset")


def _place(root: Path | str | None) -> Path:
    return Path(root).expanduser() if root else data_root()
