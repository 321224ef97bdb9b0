"""What image files look like to a loader, wherever they lie."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from clsim.data.core.notices import tell
from clsim.data.io.decode import Encoded

SHOWN = 10
"""Folders named in one warning."""


class Source(ABC):
    """The image files below one place.

    Attributes:
        path: the folder or archive.
        stamps: for every image, by its path relative to ``path`` (``/`` between parts, sorted): a text that
            changes when the file does.
        left_out: Numbers of files that are no images, by suffix.
        first_left_out: One of them.
        empty: Folders in which no image lies.
        guessed: A name in an unknown code page, None if there is none.
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
        """The content of these files, in any order; ``position`` is the one in ``files``."""

    @abstractmethod
    def fingerprint(self, files: Sequence[str], cache: Sequence[Path]) -> str:
        """A hash of the content of these files in this order; what it takes long to find is kept in ``cache``."""

    def tell_left_out(self) -> None:
        """Warn of files that are left out, and of names that may be wrong."""
        if self.left_out:
            kinds = ", ".join(f"{suffix} ({count:,})" for suffix, count in sorted(self.left_out.items()))
            count = sum(self.left_out.values())
            example = f"; the first is {self.first_left_out}"
            tell(f"{self.path}: {count:,} files are left out, which are no images by their suffix: {kinds}{example}")
        if self.empty:
            more = f" and {len(self.empty) - SHOWN:,} more" if len(self.empty) > SHOWN else ""
            tell(f"{self.path}: folders without an image are no classes: {', '.join(self.empty[:SHOWN])}{more}")
        if self.guessed:
            tell(
                f"{self.path}: names are in an unknown code page, taken for that of DOS (437), such as {self.guessed!r}"
            )


def digest(*parts: object) -> str:
    """A key for the cache: equal parts, equal key."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
