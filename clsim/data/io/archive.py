"""Images in a .tar or .zip archive, read straight from it: nothing is ever unpacked to disk."""

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
from clsim.data.io.fingerprint import fingerprints, stamp_of
from clsim.data.io.names import is_image, is_system, suffix_of
from clsim.data.io.source import Source, digest
from clsim.utils.errors import UserError

if TYPE_CHECKING:
    from typing_extensions import Self

MAX_FILE_BYTES = 256 * 2**20
"""A larger member of an archive is no image, but a mistake or an attack."""
MAX_TOTAL_BYTES = 512 * 2**30
MAX_GROWTH, ALWAYS_FINE = 100, 2**30
"""How many times its own size an archive may unpack to, if that is more than so much: images hardly shrink."""
MAX_HEADER_BYTES = 2**20
"""Of a .tar: a long name or the like, which is read whole before anything else is known of a member."""
UTF8_NAMES = 0x800
"""Flag of a member of a .zip whose name is in UTF-8; other names are in the code page of whoever packed it."""
LINKS = "links within the archive"
_DESCRIBING = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)

Entry = TypeVar("Entry")


class Archive(Source):
    """Images in an archive.

    Args:
        path: of the archive; its suffix says of what kind it is.
        cache: folders that keep the list of members; finding it means reading a whole compressed archive.

    Raises:
        UserError: it is broken, holds a path twice or one that leads out of it, or is larger than any set of images.
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
        """The content of these files in the order of the archive: a compressed one has no other."""
        wanted = {name: i for i, name in enumerate(files)}
        for name, content in self._members(wanted):
            if name in wanted:
                yield Encoded(wanted.pop(name), f"{self.path}/{name}", content)

    def fingerprint(self, files: Sequence[str], cache: Sequence[Path]) -> str:
        """Of the archive as it lies, which need not be unpacked for it, and the names."""
        stamp = stamp_of(self.path.stat())
        key = digest("contents", str(self.path.resolve()), stamp)
        return digest(fingerprints([str(self.path)], [stamp], key, cache), list(files))

    def _list(self) -> dict[str, Any]:
        """Images, and the files that are none by their suffix; what a system put there is not mentioned."""
        self.guessed = None
        names = [name for name, _ in self._members(()) if not any(map(is_system, name.split("/")))]
        images, others = [n for n in names if is_image(n)], [n for n in names if not is_image(n)]
        if twice := [name for name, count in Counter(images).items() if count > 1]:
            what = f"{len(twice)} paths are in this archive twice, the first is {twice[0]!r}"
            raise UserError(what, where=str(self.path), fix="pack it anew from the files that count")
        left_out = dict(Counter(LINKS if name.endswith("/") else suffix_of(name) for name in others))
        first = others[0].rstrip("/") if others else None
        return {"images": sorted(images), "left_out": left_out, "first": first, "guessed": self.guessed}

    def _members(self, wanted: Container[str]) -> Iterator[tuple[str, bytes]]:
        """Every file of the archive, with its content where it is wanted; the name of a link ends in ``/``."""
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
        except Exception as error:  # damaged, encrypted, of an unknown compression: each has words of its own
            raise UserError(f"this archive cannot be read ({error})", where=str(self.path)) from error

    def _checked(self, entries: Iterable[tuple[str, int, Entry]]) -> Iterator[tuple[str, Entry]]:
        """The files with their paths tidied; an unsafe path or size stops before its content is read."""
        total, most = 0, min(MAX_TOTAL_BYTES, max(MAX_GROWTH * self.path.stat().st_size, ALWAYS_FINE))
        for raw, size, entry in entries:
            total += size
            if not 0 <= size <= MAX_FILE_BYTES or total > most:
                raise UserError(f"the archive is too large, at {raw!r} ({size:,} bytes)", where=str(self.path))
            tidy = raw.replace("\\", "/")  # as Windows writes paths
            path = PurePosixPath(tidy)
            if path.is_absolute() or ".." in path.parts or PureWindowsPath(tidy).drive:
                raise UserError(f"a path in this archive leads out of it: {raw!r}", where=str(self.path))
            yield path.as_posix() + ("/" if tidy.endswith("/") else ""), entry

    def _zip_name(self, info: zipfile.ZipInfo) -> str:
        """The name of a member; without a flag in UTF-8 if it can be that, else in code page 437, a guess."""
        if info.flag_bits & UTF8_NAMES or info.filename.isascii():
            return info.filename
        try:
            return info.filename.encode("cp437").decode("utf-8")
        except UnicodeEncodeError:  # the library knew better
            return info.filename
        except UnicodeDecodeError:
            self.guessed = self.guessed or info.filename
            return info.filename


def _tar_name(member: tarfile.TarInfo) -> str:
    return member.name if member.isfile() else f"{member.name}/"


class _Header(tarfile.TarInfo):
    """A header of a .tar that asks for no more memory than a name needs."""

    @classmethod
    def frombuf(cls, buf: Any, encoding: str, errors: str) -> Self:
        """The header in these 512 bytes."""
        header = super().frombuf(buf, encoding, errors)
        if header.size < 0 or (header.type in _DESCRIBING and header.size > MAX_HEADER_BYTES):
            raise tarfile.ReadError(f"a header claims {header.size:,} bytes")
        return header
