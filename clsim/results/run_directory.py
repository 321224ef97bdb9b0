"""The run directory: every file in it is whole or not there."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsim.utils.errors import UserError
from clsim.utils.files import atomic, locked, save_tensors, unlock

if TYPE_CHECKING:
    from torch import Tensor


class RunDirectory:
    """Writer of a run's files; holds the lock of the directory.

    Args:
        path: Run directory, created if it does not exist.
        resume: Whether the directory may hold a run, to be resumed.

    Raises:
        UserError: It holds a run already, another process writes to it, or it cannot be written.

    """

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        self.path = path
        check_usable(path, resume=resume)
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = locked(path / ".lock")
        except BlockingIOError as error:
            other = "another run is writing to this directory"
            raise UserError(other, where=str(path), fix="wait for it, or choose another --out") from error
        except OSError as error:
            raise _unwritable(path, error.strerror) from error
        try:
            check_usable(path, resume=resume)  # another run may have ended since the first check
        except UserError:
            self.close()
            raise

    def close(self) -> None:
        """Release the lock."""
        unlock(self.path / ".lock", self._lock)

    def write_text(self, name: str, text: str) -> None:
        """Write a file, whole or not at all."""
        with atomic(self.path / name) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file, whole or not at all."""
        self.write_text(name, json.dumps(content, indent=1, allow_nan=False) + "\n")

    def read_json(self, name: str) -> Any:
        """Read a JSON file; ``None`` if it does not exist.

        Raises:
            UserError: It is damaged.

        """
        path = self.path / name
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError) as error:
            raise UserError(f"this file is damaged ({type(error).__name__})", where=str(path)) from error

    @property
    def status(self) -> str | None:
        """Status of the run in the directory, as ``results.json`` has it; ``None`` if there is none yet.

        Raises:
            UserError: The file is damaged.

        """
        content = self.read_json("results.json")
        return content.get("status") if isinstance(content, dict) else None

    def write_sessions(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Rewrite ``sessions.jsonl``: that of a resumed run may be ahead of its checkpoint."""
        self.write_text("sessions.jsonl", "".join(json.dumps(record, allow_nan=False) + "\n" for record in records))

    def append_session(self, record: Mapping[str, Any]) -> None:
        """Append a line to ``sessions.jsonl`` and wait until it is on disk."""
        with (self.path / "sessions.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record, allow_nan=False) + "\n")
            stream.flush()
            os.fsync(stream.fileno())

    def save_weights(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Write ``checkpoints/<name>.safetensors``, whole or not at all."""
        folder = self.path / "checkpoints"
        folder.mkdir(exist_ok=True)
        save_tensors(folder / f"{name}.safetensors", tensors)


class ReadOnlyRunDirectory(RunDirectory):
    """A run directory that another process of the same run writes to; all writing methods do nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def close(self) -> None:
        """Do nothing."""

    def write_text(self, name: str, text: str) -> None:
        """Do nothing."""

    def append_session(self, record: Mapping[str, Any]) -> None:
        """Do nothing."""

    def save_weights(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Do nothing."""


def check_usable(path: Path, *, resume: bool = False) -> None:
    """Check, before anything is loaded or trained, that a run can be written to ``path``.

    Raises:
        UserError: It is a file, it holds a run already, or it cannot be written.

    """
    taken = [name for name in ("manifest.json", "results.json", "sessions.jsonl") if (path / name).exists()]
    if taken and not resume:
        remedy = "choose another --out, resume the run (--resume), or remove it"
        raise UserError(f"this directory already holds a run ({taken[0]})", where=str(path), fix=remedy)
    nearest = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not nearest.is_dir():
        raise UserError("this is a file, not a directory", where=str(nearest), fix="choose another --out")
    if not os.access(nearest, os.W_OK):
        raise _unwritable(path, "no permission")


def _unwritable(path: Path, reason: str | None) -> UserError:
    return UserError(f"cannot write the run directory: {reason}", where=str(path), fix="choose another --out")
