"""Classification of file names: images, and files of an operating system or a tool."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

from PIL import features

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP", *(("AVIF",) if features.check("avif") else ()))
"""Formats that are opened, by content rather than name: PIL would run Ghostscript on PostScript named .png."""
IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".webp", ".gif", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    *((".avif",) if "AVIF" in FORMATS else ()),
)
SYSTEM_FOLDERS = {
    *("__macosx", "__pycache__", "@eadir", "@tmp", "#recycle", "#snapshot", "@recently-snapshot"),
    *("$recycle.bin", "recycler", "system volume information", "lost+found", "found.000"),
}
SYSTEM_FILES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}


def is_system(name: str) -> bool:
    """Return whether one part of a path is hidden, or was created by an operating system or a tool."""
    return name.startswith(".") or name.casefold() in SYSTEM_FOLDERS or name.casefold() in SYSTEM_FILES


def is_image(name: str) -> bool:
    """Return whether a file has the suffix of an image."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def suffix_of(name: str) -> str:
    """Return the suffix of a file in lower case, or "no suffix"."""
    return PurePosixPath(name).suffix.lower() or "no suffix"


def class_name(folder: str) -> str:
    """Return the class name of a folder, in Unicode form NFC, with ``_`` and repeated blanks as one space.

    Example:
        >>> class_name("red_fox ")
        'red fox'
    """
    return " ".join(unicodedata.normalize("NFC", folder).replace("_", " ").split())
