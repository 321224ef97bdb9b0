"""All checks of a run, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clsim.results.reader import read_run
from clsim.verify.arithmetic import check_arithmetic
from clsim.verify.check import Check
from clsim.verify.compatible import check_compatibility
from clsim.verify.confused import check_confusion
from clsim.verify.files import check_files
from clsim.verify.sources import check_sources


@dataclass(frozen=True)
class Verification:
    """What came out for one run.

    Attributes:
        path: the run directory.
        status: as the run says itself; ``not begun`` before its first session has ended.
        sessions: that have ended.
        checks: in the order in which they were made.

    """

    path: Path
    status: str
    sessions: int
    checks: list[Check]

    @property
    def differs(self) -> bool:
        """Whether anything does."""
        return any(check.verdict == "DIFFERS" for check in self.checks)

    @property
    def counts(self) -> dict[str, int]:
        """How many checks came out how."""
        verdicts = [check.verdict for check in self.checks]
        return {verdict: verdicts.count(verdict) for verdict in ("agrees", "DIFFERS", "not checked")}  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, Any]:
        """For machines."""
        return {
            "run": str(self.path),
            "status": self.status,
            "sessions": self.sessions,
            "differs": self.differs,
            "checks": [{"what": c.what, "verdict": c.verdict, "detail": c.detail} for c in self.checks],
        }


def verify(path: Path) -> Verification:
    """Computes anew what can be computed of a run, and compares.

    No strategy is executed and nothing that the run left is unpickled; nothing is fetched, trained or changed.

    Raises:
        UserError: it is no run directory, or a file of it is damaged.

    """
    run = read_run(path)
    checks = [*check_files(run), *check_arithmetic(run)]
    if all(check.what != "sessions in their order" or check.verdict == "agrees" for check in checks):
        checks += check_confusion(run)
        checks += check_compatibility(run)
        if (path / "features").exists() or any(record["compatibility"] for record in run.sessions):
            from clsim.verify.features import check_features  # and torch with it

            checks += check_features(run)
    checks += check_sources(run)
    status = "not begun" if run.results is None else run.results["status"]
    return Verification(path, status, len(run.sessions), checks)
