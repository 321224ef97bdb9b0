"""What a tracker has of a run, so that a resumed run continues where logging stopped."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from clsim.utils.files import atomic

FOLDER = "trackers"


@dataclass
class TrackerState:
    """Content of ``trackers/<kind>.json`` in a run directory.

    Attributes:
        path: Path of the file.
        started: Start of the run, as its manifest has it; the state of another run is ignored.
        run: The tracker's identifier of the run.
        sessions: Number of sessions that the tracker has.
        iterations: Number of the last iteration that the tracker has.
        pending: Values of the next session, stored before the tracker gets them.

    """

    path: Path
    started: str | None
    run: str | None = None
    sessions: int = 0
    iterations: int = 0
    pending: dict[str, float] | None = None

    @classmethod
    def read(cls, out: Path, kind: str, started: str | None) -> TrackerState:
        """Read the file; return an empty state if it is missing, damaged or of another run."""
        path = out / FOLDER / f"{kind}.json"
        try:
            state = cls(path, **json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return cls(path, started)
        return state if state.started == started and started is not None else cls(path, started)

    def write(self) -> None:
        """Write the file, whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        content = {key: value for key, value in asdict(self).items() if key != "path"}
        with atomic(self.path, durable=False) as temporary:
            temporary.write_text(json.dumps(content) + "\n", encoding="utf-8")
