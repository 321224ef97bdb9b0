"""Image files in a folder, and the choice between a folder and an archive."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG

from clsim.data.io.archive import Archive
from clsim.data.io.decode import Encoded
from clsim.data.io.fingerprint import fingerprints, stamp_of
from clsim.data.io.names import IMAGE_SUFFIXES, is_image, is_system, suffix_of
from clsim.data.io.source import Source, digest
from clsim.utils.errors import UserError

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")


class Folder(Source):
    """Images in a folder and the folders below it; those that are hidden or of a system are left out."""

    def __init__(self, path: Path) -> None:
        walk = _Walk(path)
        super().__init__(path, walk.stamps)
        self.left_out, self.first_left_out = dict(walk.left_out), walk.first_left_out
        self.empty = walk.empty

    def read(self, files: Sequence[str]) -> Iterator[Encoded]:
        """Paths only: whoever decodes opens them."""
        for i, file in enumerate(files):
            path = self._place(file)
            yield Encoded(i, path, path)

    def fingerprint(self, files: Sequence[str], cache: Sequence[Path]) -> str:
        """Of every file on its own: where one has changed, no other is taken for it."""
        stamps = [self.stamps[file] for file in files]
        key = digest("contents", str(self.path.resolve()), list(files), stamps)
        return digest(fingerprints([self._place(file) for file in files], stamps, key, cache))

    def _place(self, file: str) -> str:
        return f"{self.path}/{file}"


class Listed(Folder):
    """These files of a folder, whatever else lies in it; one that is not there is left out.

    A name may be written with other Unicode than on disk: macOS takes letters and accents apart.
    """

    def __init__(self, path: Path, files: Iterable[str]) -> None:
        stamps = {}
        self._written: dict[str, str] = {}
        for file in files:
            for written in dict.fromkeys([file, *(unicodedata.normalize(form, file) for form in ("NFC", "NFD"))]):
                with suppress(OSError, ValueError):  # not there, or no name that a file may have
                    stat = (path / written).stat()
                    if S_ISREG(stat.st_mode):
                        stamps[file], self._written[file] = stamp_of(stat), written
                        break
        Source.__init__(self, path, stamps)

    def _place(self, file: str) -> str:
        return f"{self.path}/{self._written[file]}"


def open_source(path: Path, cache: Sequence[Path] = ()) -> Source:
    """The images of a folder or of an archive.

    Raises:
        UserError: there is nothing at ``path``, or no image in it, or it is neither folder nor archive, or links in it
            go in a circle.
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


class _Walk:
    """Finds the images below a folder, through links, each folder once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.stamps: dict[str, str] = {}
        self.left_out: Counter[str] = Counter()
        self.first_left_out: str | None = None
        self.empty: list[str] = []
        self._seen: dict[str, str] = {}
        self._links: set[str] = set()
        try:
            self._walk(os.path.realpath(root), "", ())
        except OSError as error:
            what = f"this cannot be read ({error.strerror or error})"
            raise UserError(what, where=str(error.filename or root)) from error

    def _walk(self, real: str, prefix: str, above: tuple[str, ...]) -> None:
        self._note(real, prefix)
        images, empty = len(self.stamps), len(self.empty)
        with os.scandir(real) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            name = prefix + entry.name
            if is_system(entry.name):
                continue
            if entry.is_dir():
                below = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
                if entry.is_symlink():
                    if _lies_in(real, below):  # a link to a folder above, whose images are found without it
                        continue
                    if below in above:
                        raise UserError("this link goes in a circle", where=entry.path, fix="remove the link")
                    self._links.add(f"{name}/")
                self._walk(below, f"{name}/", (*above, real))
            elif is_image(entry.name) and (entry.is_file() or not Path(entry.path).exists()):
                # A link to nowhere is listed too: whoever decodes it names it. Not a pipe: opening one may never end.
                self.stamps[name] = stamp_of(entry.stat(follow_symlinks=entry.is_file()))
            else:
                self.left_out[suffix_of(entry.name)] += 1
                self.first_left_out = self.first_left_out or name
        if prefix and len(self.stamps) == images:
            self.empty[empty:] = [prefix]  # the outermost stands for those within

    def _note(self, real: str, prefix: str) -> None:
        """Refuse a folder that was met under another name: its images would be of two classes, or of both parts."""
        other = self._seen.setdefault(real, prefix)
        if other != prefix:
            link = prefix if prefix in self._links else other
            what = f"this link leads to a folder of the same data set, {prefix if link == other else other or './'}"
            fix = "remove the link: the images would count twice"
            raise UserError(what, where=str(self._root / link), fix=fix)


def _lies_in(folder: str, other: str) -> bool:
    return Path(folder).is_relative_to(other)
