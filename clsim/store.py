"""What a run leaves behind: one directory, every file of it whole or not there."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsim.errors import UserError
from clsim.files import atomic
from clsim.metrics import (
    average_accuracy,
    average_accuracy_weighted,
    average_forgetting,
    performance_drop,
)

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
SAVED = ("images_not_reprocessed", "device_seconds_saved")


@dataclass
class Results:
    """The figures of one run; all of them fractions, seconds or counts.

    Attributes:
        status: ``complete`` or ``failed``; until then ``interrupted``, which is what a killed run leaves.
        measures_forgetting: whether the scenario asks for it.
        sessions: one record a session, as ``results.json`` holds them.
        accuracy_matrix: row ``i`` after session ``i``, column ``j`` over the test images of session ``j``'s classes.
        test_images: test images behind ``accuracy`` of every session.
        path: the run directory.

    """

    scenario: str
    strategy: str
    seed: int
    path: Path
    status: str = "interrupted"
    stands_in_for: dict[str, str] | None = None
    measures_forgetting: bool = True
    sessions: list[dict[str, Any]] = field(default_factory=list)
    accuracy_matrix: list[list[float]] = field(default_factory=list)
    test_images: list[int] = field(default_factory=list)

    def add(self, record: dict[str, Any], accuracies: list[float], test_images: int) -> None:
        """Adds a session: its record, its row of the accuracy matrix and the number of its test images."""
        self.sessions.append(record)
        self.accuracy_matrix.append(accuracies)
        self.test_images.append(test_images)

    @property
    def accuracies(self) -> list[float]:
        """Accuracy over all seen classes, session by session."""
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
            "sessions": self.sessions,
            "summary": self.summary(),
            "accuracy_matrix": self.accuracy_matrix,
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

    Raises:
        UserError: it holds a run already, another process writes to it, or it cannot be written.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        check_usable(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            # Exclusive creation is the lock: of two processes one comes second.
            os.close(os.open(path / ".lock", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError as error:
            raise UserError(
                "another run is writing to this directory",
                where=str(path),
                fix=f"choose another --out; if that run is dead, remove {path / '.lock'}",
            ) from error
        except OSError as error:
            raise _unwritable(path, error.strerror) from error

    def close(self) -> None:
        """Gives the directory free."""
        (self.path / ".lock").unlink(missing_ok=True)

    def write_text(self, name: str, text: str) -> None:
        """Writes a file whole or not at all."""
        with atomic(self.path / name) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Writes a JSON file whole or not at all."""
        self.write_text(name, json.dumps(content, indent=1, allow_nan=False) + "\n")

    def append_session(self, record: Mapping[str, Any]) -> None:
        """Adds a line to ``sessions.jsonl`` and has it on disk before it returns."""
        with (self.path / "sessions.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record, allow_nan=False) + "\n")
            stream.flush()
            os.fsync(stream.fileno())

    def save_weights(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Writes ``checkpoints/<name>.safetensors`` whole or not at all."""
        from safetensors.torch import save_file

        folder = self.path / "checkpoints"
        folder.mkdir(exist_ok=True)
        with atomic(folder / f"{name}.safetensors") as temporary:
            save_file({key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}, temporary)


def check_usable(path: Path) -> None:
    """Makes sure, before anything is loaded or trained, that a run can go to ``path``; writes nothing.

    Raises:
        UserError: it is a file, it holds a run already, or it cannot be written.
    """
    taken = [name for name in ("manifest.json", "results.json", "sessions.jsonl") if (path / name).exists()]
    if taken:
        remedy = "choose another --out, or remove the old run"
        raise UserError(f"this directory already holds a run ({taken[0]})", where=str(path), fix=remedy)
    nearest = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not nearest.is_dir():
        raise UserError("this is a file, not a directory", where=str(nearest), fix="choose another --out")
    if not os.access(nearest, os.W_OK):
        raise _unwritable(path, "no permission")


def _unwritable(path: Path, reason: str | None) -> UserError:
    return UserError(f"cannot write the run directory: {reason}", where=str(path), fix="choose another --out")
