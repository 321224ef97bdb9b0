"""Checkpoints on disk: each a file of tensors and a file of JSON with their hash, whole or not there."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load

from clsim.experiment.checkpoint.codec import State, pack, unpack
from clsim.utils.files import atomic, save_tensors, sha256_of

FORMAT = 1
RETAINED = 2
"""Number of checkpoints of a kind on disk: the last, and the one before in case that is damaged."""

_NAME = re.compile(r"session(\d{4,})-(?:(step)(\d{9,})|(trained)|(done))")
_KINDS = ("step", "trained", "done")


class Damaged(Exception):
    """A checkpoint differs from what was written."""


class CheckpointId(NamedTuple):
    """Place of a checkpoint in the run; later ones are greater.

    Attributes:
        session: Number of the session.
        kind: 0 within its training, 1 trained but not evaluated, 2 evaluated.
        step: Number of iterations done; 0 unless within training.

    """

    session: int
    kind: int
    step: int = 0

    @property
    def name(self) -> str:
        """Name of the files, without suffix."""
        step = f"{self.step:09d}" if self.kind == 0 else ""
        return f"session{self.session:04d}-{_KINDS[self.kind]}{step}"

    @classmethod
    def parse(cls, name: str) -> CheckpointId | None:
        """Parse the name of a file; ``None`` if it is not a checkpoint's."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        kind = next(index for index, part in enumerate((match[2], match[4], match[5])) if part)
        return cls(int(match[1]), kind, int(match[3] or 0))

    def __str__(self) -> str:
        return f"session {self.session}" + (f", after {self.step} iterations" if self.kind == 0 else "")


FIRST = CheckpointId(0, _KINDS.index("done"))
"""The checkpoint after the base session."""


class Checkpoints:
    """The checkpoints of a run: the last two between sessions and the last two within the present one.

    Optionally the one after the base session stays too, from which the few-shot sessions of a run with draws begin.

    The JSON file is written last, so that a checkpoint without it does not count. It holds the hash of the tensors'
    file and of itself. Both files are on disk before they get their names.

    Args:
        folder: Directory, created with the first checkpoint.
        keeps_first: Whether the checkpoint after the base session stays.

    """

    def __init__(self, folder: Path, *, keeps_first: bool = False) -> None:
        self.folder = folder
        self.keeps_first = keeps_first

    def save(self, place: CheckpointId, state: State) -> Path:
        """Write a checkpoint and remove those that are no longer needed.

        Raises:
            OSError: It cannot be written; earlier ones are still there.

        """
        self.folder.mkdir(exist_ok=True)
        packed, tensors = pack(state)
        weights, path = self._tensors(place), self._json(place)
        save_tensors(weights, tensors)
        content = {"format": FORMAT, "tensors": sha256_of(weights), "state": packed}
        with atomic(path) as temporary:
            temporary.write_text(json.dumps({**content, "checksum": _checksum(content)}), encoding="utf-8")
        _sync(self.folder)
        self._prune()
        return path

    def load(self, place: CheckpointId, device: str = "cpu") -> State:
        """Read the state of a checkpoint.

        Raises:
            Damaged: Its files differ from what was written.

        """
        try:
            content = json.loads(self._json(place).read_text(encoding="utf-8"))
            checksum = content.pop("checksum")
            stored = self._tensors(place).read_bytes()
            if content["format"] != FORMAT:
                raise Damaged(f"its format is {content['format']!r}, not {FORMAT}")
            if _checksum(content) != checksum or hashlib.sha256(stored).hexdigest() != content["tensors"]:
                raise Damaged("its checksum does not agree")
            return unpack(content["state"], load(stored), device)
        except OSError as error:
            raise Damaged(str(error.strerror or error)) from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, SafetensorError) as error:
            raise Damaged(f"it cannot be read ({type(error).__name__})") from error

    def ids(self) -> list[CheckpointId]:
        """Return the checkpoints on disk, the latest first."""
        found = (CheckpointId.parse(path.stem) for path in self.folder.glob("session*.json"))
        return sorted((place for place in found if place is not None), reverse=True)

    def release_first(self) -> None:
        """Let go of the checkpoint after the base session."""
        self.keeps_first = False
        self._prune()

    def path(self, place: CheckpointId) -> Path:
        """Return the path that names a checkpoint in messages."""
        return self._json(place)

    def forget_after(self, last: CheckpointId | None) -> None:
        """Remove all checkpoints later than one, from which the run resumes; all if `last` is ``None``."""
        for path in list(self._ours()):
            place = CheckpointId.parse(path.stem)
            if place is not None and (last is None or place > last):
                path.unlink(missing_ok=True)

    def _json(self, place: CheckpointId) -> Path:
        return self.folder / f"{place.name}.json"

    def _tensors(self, place: CheckpointId) -> Path:
        return self.folder / f"{place.name}.safetensors"

    def _prune(self) -> None:
        ids = self.ids()
        done = [place for place in ids if place.kind == 2]
        present = done[0].session + 1 if done else 0
        under_way = [place for place in ids if place.kind != 2 and place.session >= present]
        first = [FIRST] if self.keeps_first else []
        kept = {place.name for place in (*done[:RETAINED], *under_way[:RETAINED], *first)}
        for path in self._ours():
            if path.stem not in kept:
                path.unlink(missing_ok=True)

    def _ours(self) -> Iterator[Path]:
        for suffix in ("json", "safetensors"):  # the JSON first: without it, the tensors do not count
            yield from (path for path in self.folder.glob(f"session*.{suffix}") if CheckpointId.parse(path.stem))


def _checksum(content: State) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _sync(folder: Path) -> None:
    """Wait until the names of new files are on disk, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
