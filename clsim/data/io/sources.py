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
from clsim.data.io.filenames import IMAGE_SUFFIXES, is_image, is_system, suffix_of
from clsim.data.io.fingerprint import fingerprints, stamp_of
from clsim.data.io.source import Source, digest
from clsim.utils.errors import UserError

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")


class Folder(Source):
    """Images in a folder and its subfolders, without hidden and system files."""

    def __init__(self, path: Path) -> None:
        scan = _Scan(path)
        super().__init__(path, scan.stamps)
        self.left_out, self.first_left_out = dict(scan.left_out), scan.first_left_out
        self.empty = scan.empty

    def read(self, files: Sequence[str]) -> Iterator[Encoded]:
        """Yield paths only; the decoder opens the files."""
        for i, file in enumerate(files):
            path = self._path(file)
            yield Encoded(i, path, path)

    def fingerprint(self, files: Sequence[str], cache: Sequence[Path]) -> str:
        """Hash every file, so that a changed file never matches a cached array."""
        stamps = [self.stamps[file] for file in files]
        key = digest("contents", str(self.path.resolve()), list(files), stamps)
        return digest(fingerprints([self._path(file) for file in files], stamps, key, cache))

    def _path(self, file: str) -> str:
        return f"{self.path}/{file}"


class ListedFiles(Folder):
    """Named files of a folder; missing ones are left out.

    A name may differ from the file's in Unicode form: macOS decomposes letters with accents.

    Args:
        path: Folder.
        files: Paths relative to the folder.
    """

    def __init__(self, path: Path, files: Iterable[str]) -> None:
        stamps = {}
        self._spelling: dict[str, str] = {}
        for file in files:
            for spelling in dict.fromkeys([file, *(unicodedata.normalize(form, file) for form in ("NFC", "NFD"))]):
                with suppress(OSError, ValueError):  # missing, or an invalid file name
                    stat = (path / spelling).stat()
                    if S_ISREG(stat.st_mode):
                        stamps[file], self._spelling[file] = stamp_of(stat), spelling
                        break
        Source.__init__(self, path, stamps)

    def _path(self, file: str) -> str:
        return f"{self.path}/{self._spelling[file]}"


def open_source(path: Path, cache: Sequence[Path] = ()) -> Source:
    """Open a folder or an archive of images.

    Args:
        path: Folder or archive.
        cache: Folders of the cache.

    Raises:
        UserError: The path does not exist, is neither a folder nor an archive, has no images, or has circular links.
    """
    if path.is_dir():
        source: Source = Folder(path)
    elif path.is_file() and path.name.lower().endswith(ARCHIVE_SUFFIXES):
        source = Archive(path, cache)
    else:
        what = "this is neither a folder nor an archive" if path.exists() else "no such folder or archive"
        raise UserError(what, where=str(path), fix=f"archives end in {', '.join(ARCHIVE_SUFFIXES)}")
    if not source.stamps:
        raise UserError("no images found", where=str(path), fix=f"images end in {', '.join(IMAGE_SUFFIXES)}")
    return source


class _Scan:
    """Scan for the images below a folder; links are followed, each folder is visited once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.stamps: dict[str, str] = {}
        self.left_out: Counter[str] = Counter()
        self.first_left_out: str | None = None
        self.empty: list[str] = []
        self._seen: dict[str, str] = {}
        self._links: set[str] = set()
        try:
            self._scan(os.path.realpath(root), "", ())
        except OSError as error:
            what = f"this folder cannot be read ({error.strerror or error})"
            raise UserError(what, where=str(error.filename or root)) from error

    def _scan(self, real: str, prefix: str, above: tuple[str, ...]) -> None:
        self._refuse_second_visit(real, prefix)
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
                    if _is_below(real, below):  # a link to a parent, whose images are found without it
                        continue
                    if below in above:
                        raise UserError("this link is circular", where=entry.path, fix="remove the link")
                    self._links.add(f"{name}/")
                self._scan(below, f"{name}/", (*above, real))
            elif is_image(entry.name) and (entry.is_file() or not Path(entry.path).exists()):
                # List dangling links too, so that decoding reports them. Skip pipes: opening one may block.
                self.stamps[name] = stamp_of(entry.stat(follow_symlinks=entry.is_file()))
            else:
                self.left_out[suffix_of(entry.name)] += 1
                self.first_left_out = self.first_left_out or name
        if prefix and len(self.stamps) == images:
            self.empty[empty:] = [prefix]  # report the outermost folder only

    def _refuse_second_visit(self, real: str, prefix: str) -> None:
        """Raise for a folder reached by two paths: its images would belong to two classes or parts."""
        other = self._seen.setdefault(real, prefix)
        if other != prefix:
            link = prefix if prefix in self._links else other
            what = f"this link leads to another folder of the data set, {prefix if link == other else other or './'}"
            fix = "remove the link: the images would count twice"
            raise UserError(what, where=str(self._root / link), fix=fix)


def _is_below(folder: str, other: str) -> bool:
    return Path(folder).is_relative_to(other)
