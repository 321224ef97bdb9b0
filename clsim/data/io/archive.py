"""Images in a .tar or .zip archive, read from it directly; nothing is unpacked to disk."""

from __future__ import annotations

import json
import tarfile
import zipfile
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from clsim.data.io.cache import cached
from clsim.data.io.convert import Pixels
from clsim.data.io.decode import Encoded
from clsim.data.io.filenames import is_image, is_system, suffix_of
from clsim.data.io.fingerprint import fingerprints, stamp_of
from clsim.data.io.source import Source, digest
from clsim.utils.errors import UserError

if TYPE_CHECKING:
    from typing_extensions import Self

MAX_FILE_BYTES = 256 * 2**20
"""Largest size of a member; a larger one is a mistake or an attack."""
MAX_TOTAL_BYTES = 512 * 2**30
"""Largest size of all members together."""
MAX_EXPANSION, ALWAYS_ALLOWED = 100, 2**30
"""Largest ratio of unpacked to packed size, applied above ``ALWAYS_ALLOWED`` bytes; images barely compress."""
MAX_HEADER_BYTES = 2**20
"""Largest extended header of a .tar, such as a long name; it is read whole before its member is known."""
UTF8_NAMES = 0x800
"""Flag of a .zip member whose name is UTF-8; other names are in an unknown code page."""
LINKS = "links within the archive"
_EXTENDED_HEADERS = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)

Member = TypeVar("Member")


class Archive(Source):
    """Images in an archive.

    Args:
        path: Path of the archive; its suffix gives the format.
        cache: Folders for the cached list of members, since listing a compressed archive means reading all of it.

    Raises:
        UserError: The archive is broken or too large, or it holds a path duplicates or one that leads outside.
    """

    def __init__(self, path: Path, cache: Sequence[Path]) -> None:
        super().__init__(path, {})
        stamp = f"{path.resolve()}:{stamp_of(path.stat())}"

        def members() -> Pixels:
            return np.frombuffer(json.dumps(self._list()).encode(), np.uint8)

        listed = json.loads(cached(digest("members", 2, stamp), members, cache).tobytes())
        self.stamps = dict.fromkeys(listed["images"], stamp)
        self.left_out, self.first_left_out, self.guessed = listed["left_out"], listed["first"], listed["guessed"]

    def read(self, files: Sequence[str]) -> Iterator[Encoded]:
        """Yield the content of these files in the order of the archive, which cannot be read in another."""
        wanted = {name: i for i, name in enumerate(files)}
        for name, content in self._members(wanted):
            if name in wanted:
                yield Encoded(wanted.pop(name), f"{self.path}/{name}", content)

    def fingerprint(self, files: Sequence[str], cache: Sequence[Path]) -> str:
        """Hash the archive file itself, without unpacking it, and the names of these files."""
        stamp = stamp_of(self.path.stat())
        key = digest("contents", str(self.path.resolve()), stamp)
        return digest(fingerprints([str(self.path)], [stamp], key, cache), list(files))

    def _list(self) -> dict[str, Any]:
        """List images, and count other files by suffix; files of an operating system are ignored."""
        self.guessed = None
        names = [name for name, _ in self._members(()) if not any(map(is_system, name.split("/")))]
        images, others = [n for n in names if is_image(n)], [n for n in names if not is_image(n)]
        if duplicates := [name for name, count in Counter(images).items() if count > 1]:
            what = f"{len(duplicates)} paths occur more than once in this archive; the first is {duplicates[0]!r}"
            raise UserError(what, where=str(self.path), fix="pack the archive again with each file once")
        left_out = dict(Counter(LINKS if name.endswith("/") else suffix_of(name) for name in others))
        first = others[0].rstrip("/") if others else None
        return {"images": sorted(images), "left_out": left_out, "first": first, "guessed": self.guessed}

    def _members(self, wanted: Container[str]) -> Iterator[tuple[str, bytes]]:
        """Yield the name of every file, and the content of a wanted one; the name of a link ends in ``/``."""
        try:
            if self.path.suffix.lower() == ".zip":
                with zipfile.ZipFile(self.path) as zipped:
                    infos = (info for info in zipped.infolist() if not info.filename.endswith(("/", "\\")))
                    entries = ((self._zip_name(info), info.file_size, info) for info in infos)
                    for name, info in self._checked(entries):
                        yield name, zipped.read(info) if name in wanted else b""
            else:
                with tarfile.open(self.path, tarinfo=_Header) as tar:
                    members = ((_tar_name(m), m.size, m) for m in tar if m.isfile() or m.issym() or m.islnk())
                    for name, member in self._checked(members):
                        file = tar.extractfile(member) if name in wanted else None
                        yield name, file.read() if file else b""
        except (UserError, MemoryError):
            raise
        # Damage, encryption and unknown compression each raise another type.
        except Exception as error:
            raise UserError(f"this archive cannot be read ({error})", where=str(self.path)) from error

    def _checked(self, entries: Iterable[tuple[str, int, Member]]) -> Iterator[tuple[str, Member]]:
        """Normalize paths; raise at an unsafe path or size before its content is read."""
        total, limit = 0, min(MAX_TOTAL_BYTES, max(MAX_EXPANSION * self.path.stat().st_size, ALWAYS_ALLOWED))
        for name, size, entry in entries:
            total += size
            if not 0 <= size <= MAX_FILE_BYTES or total > limit:
                raise UserError(f"the archive is too large at {name!r} ({size:,} bytes)", where=str(self.path))
            normal = name.replace("\\", "/")  # Windows separators
            path = PurePosixPath(normal)
            if path.is_absolute() or ".." in path.parts or PureWindowsPath(normal).drive:
                raise UserError(f"a path leads outside of the archive: {name!r}", where=str(self.path))
            yield path.as_posix() + ("/" if normal.endswith("/") else ""), entry

    def _zip_name(self, info: zipfile.ZipInfo) -> str:
        """Decode the name of a member: as UTF-8 if flagged or valid, else as code page 437, a guess."""
        if info.flag_bits & UTF8_NAMES or info.filename.isascii():
            return info.filename
        try:
            return info.filename.encode("cp437").decode("utf-8")
        except UnicodeEncodeError:  # zipfile decoded it from another field
            return info.filename
        except UnicodeDecodeError:
            self.guessed = self.guessed or info.filename
            return info.filename


def _tar_name(member: tarfile.TarInfo) -> str:
    return member.name if member.isfile() else f"{member.name}/"


class _Header(tarfile.TarInfo):
    """Header of a .tar that refuses to allocate more memory than a name needs."""

    @classmethod
    def frombuf(cls, buf: Any, encoding: str, errors: str) -> Self:
        """Parse a header of 512 bytes."""
        header = super().frombuf(buf, encoding, errors)
        if header.size < 0 or (header.type in _EXTENDED_HEADERS and header.size > MAX_HEADER_BYTES):
            raise tarfile.ReadError(f"a header claims {header.size:,} bytes")
        return header
