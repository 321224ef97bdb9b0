"""The runs of a comparison: undamaged, complete, and each seed of a strategy once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clsim.config import Scenario
from clsim.config.load import read_resolved
from clsim.report.figures import several
from clsim.results.reader import RunFiles, read_run
from clsim.results.run_figures import figures_of
from clsim.utils.errors import UserError, UserErrors
from clsim.utils.files import sha256_of

IDENTITY = ("scenario", "strategy", "seed")
HASHED = ("results.json", "scenario.yaml")


@dataclass(frozen=True)
class Run:
    """A run of a comparison.

    Attributes:
        path: Run directory.
        results: Content of ``results.json``.
        manifest: Content of ``manifest.json``.
        scenario: Content of ``scenario.yaml``; None if stream and strategy were composed in Python.

    """

    path: Path
    results: dict[str, Any]
    manifest: dict[str, Any]
    scenario: Scenario | None

    @property
    def strategy(self) -> str:
        """Name of the strategy."""
        return str(self.results["strategy"])

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return int(self.results["seed"])

    @property
    def validation(self) -> dict[str, Any] | None:
        """Held-out training images of the evaluation, by share and seed; None for test images."""
        asked = self.scenario.validation if self.scenario else None
        return self.results.get("validation") or (asked.model_dump() if asked else None)

    @property
    def sessions(self) -> int:
        """Number of sessions that ended."""
        return len(self.results["sessions"])

    @property
    def complete(self) -> bool:
        """Whether all sessions ended."""
        return bool(self.results["status"] == "complete")

    @property
    def figures(self) -> dict[str, float]:
        """Figures by name."""
        return figures_of(self.results, self.scenario.upgrades_by if self.scenario else None)


def read_runs(paths: Iterable[Path], *, incomplete: bool = False, latest: bool = False) -> list[Run]:
    """Read run directories for a comparison.

    Args:
        paths: Run directories.
        incomplete: Whether to include interrupted and failed runs.
        latest: Whether to use, of the runs of one strategy and seed, the one that was started last.

    Raises:
        UserError: There are none.
        UserErrors: One is no run directory, is damaged or incomplete.

    """
    runs: list[Run] = []
    problems: list[UserError] = []
    for path in paths:
        try:
            run = _read(path)
        except UserErrors as errors:
            problems += errors.errors
        except UserError as error:
            problems.append(error)
        else:
            if run.complete or incomplete:
                runs.append(run)
            elif not latest:
                ended = several(run.sessions, "session")
                what = f"this run is not complete ({run.results['status']}, {ended} ended)"
                fix = "resume it with `clsim run ... --resume`, or include it with --incomplete"
                problems.append(UserError(what, where=str(run.path), fix=fix))
    if problems:
        raise UserErrors(problems)
    if not runs:
        raise UserError("there are no runs to compare", fix="name run directories")
    return list(_latest(runs)) if latest else runs


def _latest(runs: Iterable[Run]) -> Iterator[Run]:
    """Yield the run of each strategy and seed that was started last."""
    found: dict[tuple[str, int], Run] = {}
    for run in runs:
        known = found.setdefault((run.strategy, run.seed), run)
        if str(run.manifest.get("started")) > str(known.manifest.get("started")):
            found[run.strategy, run.seed] = run
    yield from found.values()


def _read(path: Path) -> Run:
    files = read_run(path)
    if files.results is None:
        raise UserError("there are no results yet", where=str(path / "results.json"), fix="wait for the first session")
    _check_whole(files, files.results)
    if files.scenario is None and (path / "scenario.yaml").exists():
        read_resolved(path / "scenario.yaml")  # raises the error that explains what is wrong
    if files.scenario is None and "scenario file" in files.manifest["hashes"]:
        raise UserError("this file of the run is missing", where=str(path / "scenario.yaml"))
    return Run(path, files.results, files.manifest, files.scenario)


def _check_whole(files: RunFiles, results: dict[str, Any]) -> None:
    """Raise an error unless the files are of one run and unchanged."""
    for key in IDENTITY:
        if results[key] != files.manifest[key]:
            what = f"the {key} is {results[key]!r} here and {files.manifest[key]!r} in manifest.json"
            raise UserError(what, where=str(files.path / "results.json"))
    noted = files.manifest.get("files") or {}
    for name in HASHED:
        if name in noted and (files.path / name).is_file() and sha256_of(files.path / name) != noted[name]:
            what = "this file was changed after the run"
            raise UserError(what, where=str(files.path / name), fix="`clsim verify` shows what differs")


def check_once(runs: Sequence[Run]) -> None:
    """Raise an error if two runs are of one strategy and seed.

    Raises:
        UserErrors: Two are; one error for each further run.

    """
    first: dict[tuple[str, int], Path] = {}
    for run in runs:
        first.setdefault((run.strategy, run.seed), run.path)
    fix = "name one of them, or use the last one with --latest"
    problems = [
        UserError(f"{run.strategy} with seed {run.seed} is also in {path}", where=str(run.path), fix=fix)
        for run in runs
        if (path := first[run.strategy, run.seed]) is not run.path
    ]
    if problems:
        raise UserErrors(problems)
