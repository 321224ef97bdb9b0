"""Data sets by name. Importing this module does not import torch."""

from __future__ import annotations

import os
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING

from clsim.data.root import data_root
from clsim.utils.errors import ArgumentError
from clsim.utils.files import from_home
from clsim.utils.text import describe

if TYPE_CHECKING:
    from clsim.data.core.captioned import CaptionDataSet
    from clsim.data.core.images import DataSet

SMALLEST, LARGEST = 8, 1024
"""Range of image sides in pixels that a scenario may ask for."""


def load_dataset(
    name: str, *, image_size: int | None = None, root: Path | str | None = None, download: bool = True
) -> DataSet:
    """Load a data set by name, or any folder or archive of images.

    Args:
        name: One of :data:`NAMES`, or ``folder:PATH``.
        image_size: Side of the square images in pixels; None keeps the size of the data set.
        root: Folder of all data sets; :func:`data_root` by default.
        download: Whether to download files that are missing.

    Raises:
        DataMissing: The data set was not found and could not be downloaded.
        UserError: The name is unknown, or a file is altered or unreadable.

    Example:
        >>> dataset = load_dataset("shapes")
        >>> tuple(dataset.train.pixels.shape), len(dataset.class_names)
        ((5000, 3, 32, 32), 100)
    """
    from clsim.data import catalog

    _check(name, image_size, root)
    if not isinstance(download, bool):
        raise ArgumentError(f"download must be true or false, got {describe(download)}", where="load_dataset")
    return catalog.load(name, image_size=_python_int(image_size), root=_root(root), download=download)


def load_captions(name: str, *, image_size: int | None = None, root: Path | str | None = None) -> CaptionDataSet:
    """Load images with captions by name, or any table of images and captions.

    Args:
        name: One of :data:`CAPTION_NAMES`, or ``captions:PATH``.
        image_size: Side of the square images in pixels; None keeps the size of the data set.
        root: Folder of all data sets; :func:`data_root` by default.

    Raises:
        DataMissing: The data set was not found.
        UserError: The name is unknown, or a file is damaged or unreadable.
    """
    from clsim.data import caption_catalog

    _check(name, image_size, root)
    return caption_catalog.load(name, image_size=_python_int(image_size), root=_root(root))


def _check(name: object, image_size: object, root: object) -> None:
    """Check the arguments by the rules for the same keys in a scenario."""
    if not isinstance(name, str) or not name.strip():
        raise ArgumentError(
            f"name: expected a string, got {describe(name)}", where="load_dataset", fix="a data set, or folder:PATH"
        )
    if root is not None and not isinstance(root, (str, os.PathLike)):
        raise ArgumentError(f"root: expected a path, got {describe(root)}", where="load_dataset")
    size = _python_int(image_size)
    if size is not None and not SMALLEST <= size <= LARGEST:
        what = f"image_size: expected {SMALLEST} to {LARGEST} pixels, got {size}"
        raise ArgumentError(what, where="load_dataset")


def _python_int(number: object) -> int | None:
    """Convert an integer of Python, numpy or torch to ``int``."""
    if number is None:
        return None
    dtype = str(getattr(number, "dtype", "int"))
    if not isinstance(number, (bool, str, float)) and "int" in dtype and hasattr(number, "__index__"):
        try:
            return index(number)
        except TypeError:  # an array with several elements
            pass
    raise ArgumentError(f"image_size: expected an integer, got {describe(number)}", where="load_dataset")


def _root(root: Path | str | None) -> Path:
    return from_home(root, "root") if root else data_root()
