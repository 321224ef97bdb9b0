"""What a run leaves behind: one directory, every file of it whole or not there."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsim.metrics import (
    average_accuracy,
    average_accuracy_weighted,
    average_forgetting,
    performance_drop,
)
from clsim.utils.errors import UserError
from clsim.utils.files import atomic, locked, save_tensors, unlock

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
_READ = ("scenario", "strategy", "seed", "status", "stands_in_for", "sessions", "accuracy_matrix", "test_images")
SAVED = ("images_not_reprocessed", "device_seconds_saved")


@dataclass
class Results:
    """The figures of one run; all of them fractions, seconds or counts.

    Attributes:
        status: ``complete`` or ``failed``; until then ``interrupted``, which is what a killed run leaves.
        validation: which held-out training images it was measured on; ``None`` for test images.
        measures_forgetting: whether the scenario asks for it.
        sessions: one record a session, as ``results.json`` holds them.
        accuracy_matrix: row ``i`` after session ``i``, column ``j`` over the test images of session ``j``'s classes;
            ``None`` where these have no test image.
        test_images: test images behind ``accuracy`` of every session.
        path: the run directory.

    """

    scenario: str
    strategy: str
    seed: int
    path: Path
    status: str = "interrupted"
    stands_in_for: dict[str, str] | None = None
    validation: dict[str, float | int] | None = None
    measures_forgetting: bool = True
    sessions: list[dict[str, Any]] = field(default_factory=list)
    accuracy_matrix: list[list[float | None]] = field(default_factory=list)
    test_images: list[int] = field(default_factory=list)

    def add(self, record: dict[str, Any], accuracies: list[float | None], test_images: int) -> None:
        """Adds a session: its record, its row of the accuracy matrix and the number of its test images."""
        self.sessions.append(record)
        self.accuracy_matrix.append(accuracies)
        self.test_images.append(test_images)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds of it."""
        return {name: getattr(self, name) for name in ("sessions", "accuracy_matrix", "test_images")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What :meth:`state_dict` gave."""
        for name in state:
            setattr(self, name, state[name])

    @classmethod
    def read(cls, directory: Path) -> Results:
        """The results of a run that is over.

        Raises:
            UserError: there are none, or they are damaged.

        """
        path = directory / "results.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            found = cls(path=directory, **{name: content[name] for name in _READ})
            found.validation = content.get("validation")  # which earlier runs did not write
            found.measures_forgetting = content["summary"]["average_forgetting"] is not None
        except OSError as error:
            raise UserError(f"there are no results: {error.strerror}", where=str(path)) from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UserError(f"these results are damaged ({type(error).__name__})", where=str(path)) from error
        return found

    @property
    def accuracies(self) -> list[float | None]:
        """Accuracy over all seen classes, session by session; ``None`` where none of them has a test image."""
        return [record["accuracy"] for record in self.sessions]

    def summary(self) -> dict[str, Any]:
        """Figures over all sessions so far; what the service saved is the sum of what each session's would cost."""
        if not self.sessions:
            return {}
        return {
            "average_accuracy": average_accuracy(self.accuracies),
            "average_accuracy_weighted": average_accuracy_weighted(self.accuracies, self.test_images),
            "final_accuracy": self.accuracies[-1],
            "performance_drop": performance_drop(self.accuracies),
            "average_forgetting": average_forgetting(self.accuracy_matrix) if self.measures_forgetting else None,
            **self._compatibility_summary(),
        }

    @property
    def compatibility_matrix(self) -> list[list[float | None]] | None:
        """Row ``i``: queries by version ``i``; column ``j``: gallery by version ``j``; None above the diagonal.

        ``None`` as a whole where versions were not compared.
        """
        return _square([[*test["cross_tests"], test["self_test"]] for test in self._tests]) or None

    @property
    def matrices(self) -> dict[str, list[list[float | None]]]:
        """The same by every further criterion, by name."""
        names = self._tests[-1].get("also", {}) if self._tests else {}
        return {name: _square([test["also"][name] for test in self._tests]) for name in names}

    @property
    def _tests(self) -> list[dict[str, Any]]:
        return [record["compatibility"] for record in self.sessions if record.get("compatibility")]

    def _compatibility_summary(self) -> dict[str, Any]:
        compatibility = self.sessions[-1].get("compatibility") or {}
        services = [record["service"] for record in self.sessions if record.get("service")]
        saved = {key: sum(service[key] for service in services) for key in SAVED}
        return {"ac": compatibility.get("ac"), "am": compatibility.get("am"), "service": saved if services else None}

    def to_dict(self) -> dict[str, Any]:
        """The content of ``results.json``."""
        return {
            "format": FORMAT,
            "scenario": self.scenario,
            "strategy": self.strategy,
            "seed": self.seed,
            "status": self.status,
            "stands_in_for": self.stands_in_for,
            "validation": self.validation,
            "sessions": self.sessions,
            "summary": self.summary(),
            "accuracy_matrix": self.accuracy_matrix,
            "test_images": self.test_images,
            "compatibility_matrix": self.compatibility_matrix,
            "matrices": self.matrices,
        }


def _square(rows: list[list[float]]) -> list[list[float | None]]:
    """Rows that grow by one each, filled up with None."""
    return [[*row, *[None] * (len(rows) - len(row))] for row in rows]


class RunDirectory:
    """Writes a run's files.

    Args:
        path: made if it is not there.
        resume: go on with the run that it holds, if it does.

    Raises:
        UserError: it holds a run already, another process writes to it, or it cannot be written.

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
            check_usable(path, resume=resume)  # that run may have ended just now
        except UserError:
            self.close()
            raise

    def close(self) -> None:
        """Gives the directory free."""
        unlock(self.path / ".lock", self._lock)

    def write_text(self, name: str, text: str) -> None:
        """Writes a file whole or not at all."""
        with atomic(self.path / name) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Writes a JSON file whole or not at all."""
        self.write_text(name, json.dumps(content, indent=1, allow_nan=False) + "\n")

    def read_json(self, name: str) -> Any:
        """What :meth:`write_json` wrote; ``None`` if there is no such file.

        Raises:
            UserError: it is damaged.

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
        """Of the run that the directory holds, as ``results.json`` says; ``None`` if there is none yet.

        Raises:
            UserError: the file is damaged.

        """
        content = self.read_json("results.json")
        return content.get("status") if isinstance(content, dict) else None

    def write_sessions(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Writes ``sessions.jsonl`` anew: of a run that is resumed it may tell more than its checkpoint knows."""
        self.write_text("sessions.jsonl", "".join(json.dumps(record, allow_nan=False) + "\n" for record in records))

    def append_session(self, record: Mapping[str, Any]) -> None:
        """Adds a line to ``sessions.jsonl`` and has it on disk before it returns."""
        with (self.path / "sessions.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record, allow_nan=False) + "\n")
            stream.flush()
            os.fsync(stream.fileno())

    def save_weights(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Writes ``checkpoints/<name>.safetensors`` whole or not at all."""
        folder = self.path / "checkpoints"
        folder.mkdir(exist_ok=True)
        save_tensors(folder / f"{name}.safetensors", tensors)


class Onlooker(RunDirectory):
    """The directory of a run to which another process of the same run writes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def close(self) -> None:
        """Nothing is held."""

    def write_text(self, name: str, text: str) -> None:
        """Writes nothing."""

    def append_session(self, record: Mapping[str, Any]) -> None:
        """Writes nothing."""

    def save_weights(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Writes nothing."""


def check_usable(path: Path, *, resume: bool = False) -> None:
    """Makes sure, before anything is loaded or trained, that a run can go to ``path``; writes nothing.

    Raises:
        UserError: it is a file, it holds a run already, or it cannot be written.
    """
    taken = [name for name in ("manifest.json", "results.json", "sessions.jsonl") if (path / name).exists()]
    if taken and not resume:
        remedy = "choose another --out, go on with it (--resume), or remove it"
        raise UserError(f"this directory already holds a run ({taken[0]})", where=str(path), fix=remedy)
    nearest = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not nearest.is_dir():
        raise UserError("this is a file, not a directory", where=str(nearest), fix="choose another --out")
    if not os.access(nearest, os.W_OK):
        raise _unwritable(path, "no permission")


def _unwritable(path: Path, reason: str | None) -> UserError:
    return UserError(f"cannot write the run directory: {reason}", where=str(path), fix="choose another --out")
