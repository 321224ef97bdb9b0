"""Interface to image files, in a folder or in an archive."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from clsim.data.core.file_warnings import warn
from clsim.data.io.decode import Encoded

SHOWN = 10
"""Number of folders named in a warning."""


class Source(ABC):
    """Image files below one path.

    Attributes:
        path: Path of the folder or archive.
        stamps: Stamp of each image by its path relative to ``path``, sorted; it changes when the file does. Paths use
            ``/``.
        left_out: Number of files that are not images, by suffix.
        first_left_out: Path of the first of them.
        empty: Folders without an image.
        guessed: First name in an unknown code page; None if there is none.
    """

    def __init__(self, path: Path, stamps: Mapping[str, str]) -> None:
        self.path = path
        self.stamps = dict(sorted(stamps.items()))
        self.left_out: dict[str, int] = {}
        self.first_left_out: str | None = None
        self.guessed: str | None = None
        self.empty: list[str] = []

    @abstractmethod
    def read(self, files: Sequence[str]) -> Iterator[Encoded]:
        """Yield the content of these files in any order; ``position`` is the index in ``files``."""

    @abstractmethod
    def fingerprint(self, files: Sequence[str], cache: Sequence[Path]) -> str:
        """Return a hash of the content of these files in this order, with slow steps cached in ``cache``."""

    def warn_about_left_out(self) -> None:
        """Warn of files that are left out, and of names that may be wrong."""
        if self.left_out:
            kinds = ", ".join(f"{suffix} ({count:,})" for suffix, count in sorted(self.left_out.items()))
            count = sum(self.left_out.values())
            example = f"; the first is {self.first_left_out}"
            warn(f"{self.path}: {count:,} files without an image suffix are left out: {kinds}{example}")
        if self.empty:
            more = f" and {len(self.empty) - SHOWN:,} more" if len(self.empty) > SHOWN else ""
            warn(f"{self.path}: folders without images are ignored: {', '.join(self.empty[:SHOWN])}{more}")
        if self.guessed:
            warn(f"{self.path}: names are in an unknown code page and are read as DOS (437), such as {self.guessed!r}")


def digest(*parts: object) -> str:
    """Return a cache key; equal parts give equal keys."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
