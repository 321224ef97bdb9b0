"""The stored features of one backbone, by the digests of their images."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from clsim.models.features.folder import ABOUT, FeatureFolder
from clsim.models.features.segment import SUFFIX, DamagedSegment, MemorySegment, Segment, write_segment
from clsim.utils.files import atomic

MERGED_FROM = 64
"""Number of small files from which they are merged into one when a store is opened."""
SMALL = 1024
"""Rows of a small file."""
TOUCHED = 60.0
"""Seconds after which a further use of a file is noted."""

log = logging.getLogger(__name__)


class FeatureStore:
    """Rows of one backbone in a subfolder, which any number of processes may read and extend at once.

    Files are only ever added whole or removed, never changed, so no lock is needed. Where a file cannot be written, its
    rows stay in memory until the process ends.

    Args:
        folder: Folder of all features.
        name: Name of the subfolder.
        width: Length of a row.
        about: Description of the backbone, for readers of the folder.

    """

    def __init__(self, folder: FeatureFolder, name: str, width: int, about: Mapping[str, object]) -> None:
        assert folder.path is not None
        self.folder = folder
        self.path = folder.path / name
        self.width = width
        self.about = about
        self._segments: list[Segment | MemorySegment] = []
        self._starts: list[int] = []
        self._rows: dict[bytes, int] = {}  # number of the row, counted over all segments
        self._warned = False
        folder.remove_leftovers()
        self.refresh()
        self._merge_small()

    def refresh(self) -> None:
        """Take in the files that other processes have written since."""
        with suppress(OSError):
            present = {path for path in self.path.iterdir() if path.suffix == SUFFIX and path.name[0] != "."}
            for path in sorted(present - self._paths()):
                self._open(path)

    def missing(self, digests: Sequence[bytes]) -> list[int]:
        """Return the positions of images without a row; of equal images the first only."""
        first = dict(zip(reversed(digests), range(len(digests) - 1, -1, -1), strict=True))
        return sorted(position for digest, position in first.items() if digest not in self._rows)

    def take(self, digests: Sequence[bytes]) -> Tensor | None:
        """Return the rows ``(N, width)`` of images; None if a file turns out to be damaged, which is removed.

        Raises:
            KeyError: An image has no row.

        """
        numbers = torch.tensor([self._rows[digest] for digest in digests])
        of = torch.searchsorted(torch.tensor(self._starts), numbers, right=True) - 1
        taken = torch.empty(len(digests), self.width)
        for index in of.unique().tolist():
            segment, here = self._segments[index], (of == index).nonzero().flatten()
            try:
                stored = segment.rows
            except DamagedSegment as error:
                self._remove(segment, error)
                return None
            self._touch(segment)
            taken[here] = stored[numbers[here] - self._starts[index]]
        return taken

    def add(self, digests: Sequence[bytes], rows: Tensor) -> None:
        """Store rows ``(N, width)`` of images, for all processes if there is room, else for this one."""
        used = {segment.path for segment in self._segments if isinstance(segment, Segment) and segment.used}
        try:
            if bool(rows.isfinite().all()) and self.folder.make_room(rows.nbytes + 1024 + 16 * len(rows), used):
                self.path.mkdir(parents=True, exist_ok=True)
                self._describe()
                written = Segment(write_segment(self.path, digests, rows))
                written.used = True  # needs no check: were it damaged at once, it would be made again for ever
                self._insert(written)
                return
            problem = f"the limit of {self.folder.limit / 1e9:g} GB is reached"
        except OSError as error:
            problem = str(error.strerror or error)
        if not self._warned:
            log.warning("features cannot be stored in %s and will be computed again (%s)", self.path, problem)
            self._warned = True
        self._insert(MemorySegment(digests, rows))

    def _describe(self) -> None:
        path = self.path / ABOUT
        if not path.exists():
            with atomic(path) as temporary:
                temporary.write_text(json.dumps(self.about, indent=1) + "\n", encoding="utf-8")

    def _paths(self) -> set[Path]:
        return {segment.path for segment in self._segments if isinstance(segment, Segment)}

    def _open(self, path: Path) -> None:
        try:
            segment = Segment(path)
            if segment.width != self.width:
                raise DamagedSegment(f"{path}: rows of {segment.width} numbers, not {self.width}")
        except FileNotFoundError:
            return
        except DamagedSegment as error:
            _discard(path, error)
        else:
            self._insert(segment)

    def _insert(self, segment: Segment | MemorySegment) -> None:
        last = self._segments[-1] if self._segments else None
        start = 0 if last is None else self._starts[-1] + len(last.digests)
        self._segments.append(segment)
        self._starts.append(start)
        self._rows.update(zip(segment.digests, range(start, start + len(segment.digests)), strict=True))

    def _remove(self, damaged: Segment | MemorySegment, error: Exception) -> None:
        """Remove a damaged file, whose rows are then computed again."""
        if isinstance(damaged, Segment):
            _discard(damaged.path, error)
        self._keep([segment for segment in self._segments if segment is not damaged])

    def _keep(self, segments: list[Segment | MemorySegment]) -> None:
        self._segments, self._starts, self._rows = [], [], {}
        for segment in segments:
            self._insert(segment)

    def _touch(self, segment: Segment | MemorySegment) -> None:
        """Note the use of a file, by which the least recently used one is found."""
        if isinstance(segment, Segment):
            with suppress(OSError):  # removed by another process, or another user's
                if time.time() - segment.path.stat().st_mtime > TOUCHED:
                    os.utime(segment.path)

    def _merge_small(self) -> None:
        """Write many small files as one: a run of many sessions of a few images leaves one for each."""
        small = [each for each in self._segments if isinstance(each, Segment) and len(each.digests) < SMALL]
        if len(small) < MERGED_FROM:
            return
        digests = list(dict.fromkeys(digest for segment in small for digest in segment.digests))
        with suppress(OSError):  # a folder of another user's, or a full disk
            rows = self.take(digests)
            if rows is None:
                return
            merged = Segment(write_segment(self.path, digests, rows))
            self._keep([segment for segment in self._segments if segment not in small])
            self._insert(merged)
            for segment in small:
                if segment.path != merged.path:
                    segment.path.unlink(missing_ok=True)


def _discard(path: Path, error: Exception) -> None:
    log.warning("stored features are damaged and will be computed again: %s", error)
    with suppress(OSError):
        path.unlink(missing_ok=True)
