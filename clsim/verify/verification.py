"""All checks of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clsim.results.reader import read_run
from clsim.verify.arithmetic import check_arithmetic
from clsim.verify.check import Check
from clsim.verify.compatibility import check_compatibility
from clsim.verify.confusion import check_confusion
from clsim.verify.draws import check_draws
from clsim.verify.files import check_files
from clsim.verify.sources import check_sources


@dataclass(frozen=True)
class Verification:
    """Result for one run.

    Attributes:
        path: Run directory.
        status: Status in the results; ``not begun`` before the first session has ended.
        sessions: Number of sessions that ended.
        checks: Checks in order.

    """

    path: Path
    status: str
    sessions: int
    checks: list[Check]

    @property
    def differs(self) -> bool:
        """Whether any check failed."""
        return any(check.verdict == "DIFFERS" for check in self.checks)

    @property
    def counts(self) -> dict[str, int]:
        """Number of checks by verdict."""
        verdicts = [check.verdict for check in self.checks]
        return {verdict: verdicts.count(verdict) for verdict in ("agrees", "DIFFERS", "not checked")}  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "run": str(self.path),
            "status": self.status,
            "sessions": self.sessions,
            "differs": self.differs,
            "checks": [{"what": c.what, "verdict": c.verdict, "detail": c.detail} for c in self.checks],
        }


def verify(path: Path) -> Verification:
    """Recompute the figures of a run and compare.

    No strategy is executed and no file of the run is unpickled; nothing is downloaded, trained or changed.

    Raises:
        UserError: The path is no run directory, or a file of it is damaged.

    """
    run = read_run(path)
    checks = [*check_files(run), *check_arithmetic(run)]
    if all(check.what != "sessions in their order" or check.verdict == "agrees" for check in checks):
        checks += check_draws(run)
        checks += check_confusion(run)
        checks += check_compatibility(run)
        if (path / "features").exists() or any(record["compatibility"] for record in run.sessions):
            from clsim.verify.features import check_features  # which imports torch

            checks += check_features(run)
    checks += check_sources(run)
    status = "not begun" if run.results is None else run.results["status"]
    return Verification(path, status, len(run.sessions), checks)
