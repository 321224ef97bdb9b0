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
KEPT = 2
"""Checkpoints of a kind that are kept: the last, and the one before in case that is damaged."""

_NAME = re.compile(r"session(\d{4,})-(?:(step)(\d{9,})|(trained)|(done))")
_KINDS = ("step", "trained", "done")


class Damaged(Exception):
    """A checkpoint that is not as it was written."""


class Moment(NamedTuple):
    """When a checkpoint was taken; a later one is greater.

    Attributes:
        session: from 0.
        kind: 0 amid its training, 1 trained and not yet measured, 2 measured.
        step: iterations of the session that are done, amid its training.

    """

    session: int
    kind: int
    step: int = 0

    @property
    def name(self) -> str:
        """Of the files."""
        step = f"{self.step:09d}" if self.kind == 0 else ""
        return f"session{self.session:04d}-{_KINDS[self.kind]}{step}"

    @classmethod
    def of(cls, name: str) -> Moment | None:
        """The moment of a file's name; ``None`` if it is none of ours."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        kind = next(index for index, part in enumerate((match[2], match[4], match[5])) if part)
        return cls(int(match[1]), kind, int(match[3] or 0))

    def __str__(self) -> str:
        return f"session {self.session}" + (f", after {self.step} iterations" if self.kind == 0 else "")


class Checkpoints:
    """The checkpoints of a run, the last two between sessions and the last two amid the present one.

    A checkpoint counts from the moment its JSON is there, which is written last and holds the hash of the tensors'
    file and one of itself. Both files reach the disk before they get their names.

    Args:
        folder: made with the first checkpoint.

    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, moment: Moment, state: State) -> Path:
        """Writes a checkpoint and removes those that are no longer needed.

        Raises:
            OSError: it cannot be written; those before it are still there.

        """
        self.folder.mkdir(exist_ok=True)
        packed, tensors = pack(state)
        weights, path = self._tensors(moment), self._json(moment)
        save_tensors(weights, tensors)
        content = {"format": FORMAT, "tensors": sha256_of(weights), "state": packed}
        with atomic(path) as temporary:
            temporary.write_text(json.dumps({**content, "checksum": _checksum(content)}), encoding="utf-8")
        _sync(self.folder)
        self._prune()
        return path

    def load(self, moment: Moment, device: str = "cpu") -> State:
        """The state of a checkpoint.

        Raises:
            Damaged: its files are not as they were written.

        """
        try:
            content = json.loads(self._json(moment).read_text(encoding="utf-8"))
            checksum = content.pop("checksum")
            stored = self._tensors(moment).read_bytes()
            if content["format"] != FORMAT:
                raise Damaged(f"its format is {content['format']!r}, not {FORMAT}")
            if _checksum(content) != checksum or hashlib.sha256(stored).hexdigest() != content["tensors"]:
                raise Damaged("its checksum does not agree")
            return unpack(content["state"], load(stored), device)
        except OSError as error:
            raise Damaged(str(error.strerror or error)) from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, SafetensorError) as error:
            raise Damaged(f"it cannot be read ({type(error).__name__})") from error

    def moments(self) -> list[Moment]:
        """Of the checkpoints there are, the latest first."""
        found = (Moment.of(path.stem) for path in self.folder.glob("session*.json"))
        return sorted((moment for moment in found if moment is not None), reverse=True)

    def path(self, moment: Moment) -> Path:
        """By which a checkpoint is called in messages."""
        return self._json(moment)

    def forget_after(self, last: Moment | None) -> None:
        """Removes all checkpoints later than one, or all: the run goes on from that one another time."""
        for path in list(self._ours()):
            moment = Moment.of(path.stem)
            if moment is not None and (last is None or moment > last):
                path.unlink(missing_ok=True)

    def _json(self, moment: Moment) -> Path:
        return self.folder / f"{moment.name}.json"

    def _tensors(self, moment: Moment) -> Path:
        return self.folder / f"{moment.name}.safetensors"

    def _prune(self) -> None:
        moments = self.moments()
        done = [moment for moment in moments if moment.kind == 2]
        present = done[0].session + 1 if done else 0
        under_way = [moment for moment in moments if moment.kind != 2 and moment.session >= present]
        kept = {moment.name for moment in (*done[:KEPT], *under_way[:KEPT])}
        for path in self._ours():
            if path.stem not in kept:
                path.unlink(missing_ok=True)

    def _ours(self) -> Iterator[Path]:
        for suffix in ("json", "safetensors"):  # the JSON first: without it the other is no checkpoint
            yield from (path for path in self.folder.glob(f"session*.{suffix}") if Moment.of(path.stem))


def _checksum(content: State) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _sync(folder: Path) -> None:
    """Names, too, have to reach the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
