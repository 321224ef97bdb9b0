"""Image files in a folder or in a .tar or .zip archive, seen in one way; nothing is ever unpacked to disk."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from stat import S_ISREG
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from clsim.data.cache import cached
from clsim.data.convert import Pixels
from clsim.data.decode import Encoded
from clsim.data.fingerprint import fingerprints, stamp_of
from clsim.errors import UserError

if TYPE_CHECKING:
    from typing_extensions import Self

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".pgm", ".tif", ".tiff", ".gif")
ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")
MAX_FILE_BYTES = 256 * 2**20
"""A larger member of an archive is no image, but a mistake or an attack."""
MAX_TOTAL_BYTES = 512 * 2**30
MAX_GROWTH, ALWAYS_FINE = 100, 2**30
"""How many times its own size an archive may unpack to, if that is more than so much: images hardly shrink."""
MAX_HEADER_BYTES = 2**20
"""Of a .tar: a long name or the like, which is read whole before anything else is known of a member."""
_DESCRIBING = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)

Entry = TypeVar("Entry")


class Source(ABC):
    """The image files below one place.

    Attributes:
        path: the folder or archive.
        stamps: for every image, by its path relative to ``path`` (``/`` between parts, sorted): a text that
            changes when the file does.
    """

    def __init__(self, path: Path, stamps: Mapping[str, str]) -> None:
        self.path = path
        self.stamps = dict(sorted(stamps.items()))

    @abstractmethod
    def read(self, files: Sequence[str]) -> Iterator[Encoded]:
        """The content of these files, in any order; ``position`` is the one in ``files``."""

    @abstractmethod
    def fingerprint(self, files: Sequence[str], cache: Sequence[Path]) -> str:
        """A hash of the content of these files in this order; what it takes long to find is kept in ``cache``."""


class Folder(Source):
    """Images in a folder and the folders below it; hidden ones are left out."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, dict(_walk(path)))

    def read(self, files: Sequence[str]) -> Iterator[Encoded]:
        """Paths only: whoever decodes opens them."""
        for i, file in enumerate(files):
            path = f"{self.path}/{file}"
            yield Encoded(i, path, path)

    def fingerprint(self, files: Sequence[str], cache: Sequence[Path]) -> str:
        """Of every file on its own: where one has changed, no other is taken for it."""
        key = digest("contents", str(self.path.resolve()), [(file, self.stamps[file]) for file in files])
        return digest(fingerprints([self.path / file for file in files], key, cache))


class Listed(Folder):
    """These files of a folder, whatever else lies in it; one that is not there is left out."""

    def __init__(self, path: Path, files: Iterable[str]) -> None:
        stamps = {}
        for file in files:
            with suppress(OSError, ValueError):  # not there, or no name that a file may have
                stat = (path / file).stat()
                if S_ISREG(stat.st_mode):
                    stamps[file] = stamp_of(stat)
        Source.__init__(self, path, stamps)


class Archive(Source):
    """Images in an archive, read straight from it.

    Args:
        path: of the archive; its suffix says of what kind it is.
        cache: folders that keep the list of members; finding it means reading a whole compressed archive.

    Raises:
        UserError: it is broken, holds a path that leads out of it, or is larger than any set of images.
    """

    def __init__(self, path: Path, cache: Sequence[Path]) -> None:
        super().__init__(path, {})
        stamp = f"{path.resolve()}:{stamp_of(path.stat())}"

        def names() -> Pixels:
            listed = sorted({name for name, _ in self._members(()) if _is_image(name)})
            return np.frombuffer(json.dumps(listed).encode(), np.uint8)

        listed = json.loads(cached(digest("members", stamp), names, cache).tobytes())
        self.stamps = dict.fromkeys(listed, stamp)

    def read(self, files: Sequence[str]) -> Iterator[Encoded]:
        """The content of these files in the order of the archive: a compressed one has no other."""
        wanted = {name: i for i, name in enumerate(files)}
        for name, content in self._members(wanted):
            if name in wanted:
                yield Encoded(wanted.pop(name), f"{self.path}/{name}", content)

    def fingerprint(self, files: Sequence[str], cache: Sequence[Path]) -> str:
        """Of the archive as it lies, which need not be unpacked for it, and the names."""
        key = digest("contents", str(self.path.resolve()), stamp_of(self.path.stat()))
        return digest(fingerprints([self.path], key, cache), list(files))

    def _members(self, wanted: Container[str]) -> Iterator[tuple[str, bytes]]:
        """Every regular file of the archive, with its content where it is wanted."""
        try:
            if self.path.suffix.lower() == ".zip":
                with zipfile.ZipFile(self.path) as zipped:
                    entries = ((info.filename, info.file_size, info) for info in zipped.infolist())
                    for name, info in self._checked(entries):
                        yield name, zipped.read(info) if name in wanted else b""
            else:
                with tarfile.open(self.path, tarinfo=_Header) as tar:
                    members = ((member.name, member.size, member if member.isfile() else None) for member in tar)
                    for name, member in self._checked(members):
                        file = tar.extractfile(member) if name in wanted else None
                        yield name, file.read() if file else b""
        except (UserError, MemoryError):
            raise
        except Exception as error:  # damaged, encrypted, of an unknown compression: each has words of its own
            raise UserError(f"this archive cannot be read ({error})", where=str(self.path)) from error

    def _checked(self, entries: Iterable[tuple[str, int, Entry | None]]) -> Iterator[tuple[str, Entry]]:
        """The files with their paths tidied; an unsafe path or size stops before its content is read."""
        total, most = 0, min(MAX_TOTAL_BYTES, max(MAX_GROWTH * self.path.stat().st_size, ALWAYS_FINE))
        for raw, size, entry in entries:
            total += size
            if not 0 <= size <= MAX_FILE_BYTES or total > most:
                raise UserError(f"the archive is too large, at {raw!r} ({size:,} bytes)", where=str(self.path))
            if entry is None:  # a folder, a link, a device
                continue
            path = PurePosixPath(raw)
            if path.is_absolute() or ".." in path.parts or "\\" in raw:
                raise UserError(f"a path in this archive leads out of it: {raw!r}", where=str(self.path))
            yield path.as_posix(), entry


class _Header(tarfile.TarInfo):
    """A header of a .tar that asks for no more memory than a name needs."""

    @classmethod
    def frombuf(cls, buf: Any, encoding: str, errors: str) -> Self:
        """The header in these 512 bytes."""
        header = super().frombuf(buf, encoding, errors)
        if header.size < 0 or (header.type in _DESCRIBING and header.size > MAX_HEADER_BYTES):
            raise tarfile.ReadError(f"a header claims {header.size:,} bytes")
        return header


def open_source(path: Path, cache: Sequence[Path] = ()) -> Source:
    """The images of a folder or of an archive.

    Raises:
        UserError: there is nothing at ``path``, or no image in it, or it is neither folder nor archive.
    """
    if path.is_dir():
        source: Source = Folder(path)
    elif path.is_file() and path.name.lower().endswith(ARCHIVE_SUFFIXES):
        source = Archive(path, cache)
    else:
        what = "this is neither a folder nor an archive" if path.exists() else "there is no such folder or archive"
        raise UserError(what, where=str(path), fix=f"archives end in {', '.join(ARCHIVE_SUFFIXES)}")
    if not source.stamps:
        raise UserError("there are no images here", where=str(path), fix=f"images end in {', '.join(IMAGE_SUFFIXES)}")
    return source


def digest(*parts: object) -> str:
    """A key for the cache: equal parts, equal key."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _walk(folder: Path, prefix: str = "") -> Iterator[tuple[str, str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                # A link to a folder above would never end.
                if not entry.name.startswith(".") and not (entry.is_symlink() and _leads_up(entry)):
                    yield from _walk(folder / entry.name, f"{prefix}{entry.name}/")
            elif _is_image(entry.name) and (entry.is_file() or not Path(entry.path).exists()):
                # A link to nowhere is listed too: whoever decodes it names it. Not a pipe: opening one may never end.
                yield prefix + entry.name, stamp_of(entry.stat(follow_symlinks=entry.is_file()))


def _leads_up(link: os.DirEntry[str]) -> bool:
    place = Path(link.path)
    return place.parent.resolve().is_relative_to(place.resolve())


def _is_image(path: str) -> bool:
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.split("/"))
    return path.lower().endswith(IMAGE_SUFFIXES) and not hidden
