"""The folder of all stored features: where it is, how large it may become, what is in it."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from clsim.models.features.segment import SUFFIX
from clsim.utils.errors import UserError
from clsim.utils.files import from_home

FOLDER, LIMIT = "CLSIM_FEATURES", "CLSIM_FEATURES_LIMIT"
"""Environment variables: folder, or ``off``; and size such as ``20GB``."""
DEFAULT_LIMIT = "20GB"
ABOUT = "backbone.json"
"""File that describes the backbone of a subfolder."""
STALE = 24 * 3600.0
"""Seconds after which an unfinished file was left by a process that was killed."""

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", re.IGNORECASE)


@dataclass(frozen=True)
class FeatureFolder:
    """Folder of stored features with an upper bound of its size.

    Attributes:
        path: Path of the folder; None: nothing is stored or read.
        limit: Size in bytes that the files together do not exceed.

    """

    path: Path | None
    limit: int

    @classmethod
    def from_environment(cls) -> FeatureFolder:
        """Return the folder in ``$CLSIM_FEATURES``, by default ``~/.cache/clsim/features`` with 20 GB.

        Raises:
            UserError: ``$CLSIM_FEATURES_LIMIT`` is no size.

        """
        given = os.environ.get(FOLDER) or "~/.cache/clsim/features"
        limit = parse_size(os.environ.get(LIMIT) or DEFAULT_LIMIT, LIMIT)
        return cls(None if given.lower() == "off" else from_home(given, FOLDER), limit)

    def make_room(self, size: int, keep: Collection[Path]) -> bool:
        """Remove the segments that were not used for the longest time until there is room for another.

        Args:
            size: Size of the other segment in bytes.
            keep: Segments that this process uses, which stay.

        Returns:
            Whether there is room.

        """
        assert self.path is not None
        found = sorted(_segments(self.path), key=lambda file: file.last_use)
        total = sum(file.size for file in found)
        for file in found:
            if total + size <= self.limit:
                break
            if file.path not in keep:
                file.path.unlink(missing_ok=True)
                total -= file.size
        return total + size <= self.limit

    def remove_leftovers(self) -> None:
        """Remove unfinished files of processes that were killed."""
        if self.path is not None:
            for path in self.path.glob(f"*/.*{SUFFIX}.*"):
                with suppress(OSError):
                    if time.time() - path.stat().st_mtime > STALE:
                        path.unlink(missing_ok=True)

    def status(self) -> list[StoredBackbone]:
        """Return what is stored of every backbone, the last used first."""
        folders = [] if self.path is None or not self.path.is_dir() else list(self.path.iterdir())
        found = [StoredBackbone.of(folder) for folder in folders if folder.is_dir()]
        return sorted((each for each in found if each.files), key=lambda each: each.last_use, reverse=True)

    def clear(self) -> tuple[int, int]:
        """Remove all features; return the number of files and of bytes.

        Processes that use them keep their content until they end.

        Raises:
            OSError: A file cannot be removed.

        """
        files = [] if self.path is None else list(_segments(self.path))
        for file in files:
            file.path.unlink(missing_ok=True)
        for about in [] if self.path is None else self.path.glob(f"*/{ABOUT}"):
            for path in about.parent.glob(f".*{SUFFIX}.*"):
                path.unlink(missing_ok=True)
            about.unlink(missing_ok=True)
            with suppress(OSError):  # another process is writing to it
                about.parent.rmdir()
        return len(files), sum(file.size for file in files)


@dataclass(frozen=True)
class StoredBackbone:
    """What is stored of one backbone.

    Attributes:
        folder: Its folder.
        name: Name of the backbone.
        weights_sha256: Hash of its weights.
        precision: Precision of the forward pass.
        files: Number of files.
        size: Size of the files in bytes.
        images: Number of images.
        last_use: Time of the last use in seconds since the epoch.

    """

    folder: Path
    name: str
    weights_sha256: str
    precision: str
    files: int
    size: int
    images: int
    last_use: float

    @classmethod
    def of(cls, folder: Path) -> StoredBackbone:
        """Read the description of a backbone and count its files."""
        about: dict[str, object] = {}
        with suppress(OSError, ValueError):
            read = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
            about = read if isinstance(read, dict) else {}
        files = list(_segments_of(folder))
        return cls(
            folder,
            str(about.get("name", "?")),
            str(about.get("weights_sha256", "?")),
            str(about.get("precision", "?")),
            len(files),
            sum(file.size for file in files),
            sum(_rows_of(file.path) for file in files),
            max((file.last_use for file in files), default=0.0),
        )


@dataclass(frozen=True)
class _File:
    path: Path
    size: int
    last_use: float


def parse_size(text: str, where: str) -> int:
    """Return the number of bytes of a size such as ``20GB`` or ``500 MB``.

    Raises:
        UserError: It is none.

    Example:
        >>> parse_size("1.5GB", "limit")
        1500000000

    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UserError(f"{text!r} is no size", where=where, fix="write a number with KB, MB, GB or TB, such as 20GB")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def _segments(root: Path) -> Iterator[_File]:
    for folder in root.iterdir() if root.is_dir() else ():
        yield from _segments_of(folder)


def _segments_of(folder: Path) -> Iterator[_File]:
    for path in folder.glob(f"[!.]*{SUFFIX}"):
        with suppress(FileNotFoundError):  # another process removed it
            found = path.stat()
            yield _File(path, found.st_size, found.st_mtime)


def _rows_of(path: Path) -> int:
    """Return the number of rows that the header of a file names; 0 for a damaged one."""
    try:
        with path.open("rb") as stream:
            header = json.loads(stream.read(min(int.from_bytes(stream.read(8), "little"), 1 << 16)))
        return int(header["rows"]["shape"][0])
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError):
        return 0
