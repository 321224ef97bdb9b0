"""File names: which are images, and which belong to an operating system or a tool."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

from PIL import features

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP", *(("AVIF",) if features.check("avif") else ()))
"""By content, whatever the name: PIL would hand a PostScript file called .png to Ghostscript."""
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
    """Whether one part of a path is hidden, or made by a system or a tool and not by the author of the data."""
    return name.startswith(".") or name.casefold() in SYSTEM_FOLDERS or name.casefold() in SYSTEM_FILES


def is_image(name: str) -> bool:
    """Whether the suffix of a file is that of an image."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def suffix_of(name: str) -> str:
    """The suffix of a file in small letters, or "no suffix"."""
    return PurePosixPath(name).suffix.lower() or "no suffix"


def class_name(folder: str) -> str:
    """The name of the class in a folder: one form of each letter, one space between words, and none around.

    Example:
        >>> class_name("red_fox ")
        'red fox'
    """
    return " ".join(unicodedata.normalize("NFC", folder).replace("_", " ").split())
