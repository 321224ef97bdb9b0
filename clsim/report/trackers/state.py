"""How far a tracker was told of a run, so that a run that is resumed goes on where it stopped telling."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from clsim.utils.files import atomic

FOLDER = "trackers"


@dataclass
class Told:
    """The content of ``trackers/<kind>.json`` in a run directory.

    Attributes:
        path: of the file.
        started: when the run began, as its manifest says: what is of another run is not gone on with.
        run: the tracker's own name of the run.
        sessions: so many sessions it has.
        iterations: so far it knows the training.
        pending: values of the session after these, written down before the tracker gets them.

    """

    path: Path
    started: str | None
    run: str | None = None
    sessions: int = 0
    iterations: int = 0
    pending: dict[str, float] | None = None

    @classmethod
    def of(cls, out: Path, kind: str, started: str | None) -> Told:
        """What the file says; afresh if there is none, it is damaged, or it is of another run."""
        path = out / FOLDER / f"{kind}.json"
        try:
            told = cls(path, **json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return cls(path, started)
        return told if told.started == started and started is not None else cls(path, started)

    def write(self) -> None:
        """Writes the file, whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        content = {key: value for key, value in asdict(self).items() if key != "path"}
        with atomic(self.path, durable=False) as temporary:
            temporary.write_text(json.dumps(content) + "\n", encoding="utf-8")
