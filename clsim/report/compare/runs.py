"""The runs of a comparison, read with care: whole, complete, and each seed of a strategy once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clsim.config import Scenario
from clsim.config.load import read_resolved
from clsim.results.reader import RunFiles, read_run
from clsim.results.run_figures import figures_of
from clsim.utils.errors import UserError, UserErrors
from clsim.utils.files import sha256_of

IDENTITY = ("scenario", "strategy", "seed")
HASHED = ("results.json", "scenario.yaml")


@dataclass(frozen=True)
class Run:
    """What a comparison needs of a run directory.

    Attributes:
        path: of the directory.
        results: of ``results.json``.
        manifest: of ``manifest.json``.
        scenario: of ``scenario.yaml``; ``None`` where stream and strategy were composed in Python.

    """

    path: Path
    results: dict[str, Any]
    manifest: dict[str, Any]
    scenario: Scenario | None

    @property
    def strategy(self) -> str:
        """Its name."""
        return str(self.results["strategy"])

    @property
    def seed(self) -> int:
        """The run's seed."""
        return int(self.results["seed"])

    @property
    def validation(self) -> dict[str, Any] | None:
        """The held-out training images that it was measured on, by share and seed; ``None``: test images."""
        asked = self.scenario.validation if self.scenario else None
        return self.results.get("validation") or (asked.model_dump() if asked else None)

    @property
    def sessions(self) -> int:
        """That have ended."""
        return len(self.results["sessions"])

    @property
    def complete(self) -> bool:
        """Whether it came to its end."""
        return bool(self.results["status"] == "complete")

    @property
    def figures(self) -> dict[str, float]:
        """Its figures by name."""
        return figures_of(self.results, self.scenario.upgrades_by if self.scenario else None)


def read_runs(paths: Iterable[Path], *, incomplete: bool = False, latest: bool = False) -> list[Run]:
    """The runs of these directories, in their order.

    Args:
        paths: of run directories.
        incomplete: take also those that were interrupted or have failed, as far as they went.
        latest: of the runs of one strategy and seed take the one that was begun last, complete ones alone unless
            ``incomplete``.

    Raises:
        UserError: there are none.
        UserErrors: one is no run directory, is damaged or is not complete.

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
                problems.append(_not_complete(run))
    if problems:
        raise UserErrors(problems)
    if not runs:
        raise UserError("there are no runs to compare", fix="name the directories that runs left")
    return list(_latest(runs)) if latest else runs


def _latest(runs: Iterable[Run]) -> Iterator[Run]:
    """Of each strategy and seed the run that was begun last, in the order in which they were met."""
    found: dict[tuple[str, int], Run] = {}
    for run in runs:
        known = found.setdefault((run.strategy, run.seed), run)
        if str(run.manifest.get("started")) > str(known.manifest.get("started")):
            found[run.strategy, run.seed] = run
    yield from found.values()


def _read(path: Path) -> Run:
    files = read_run(path)
    if files.results is None:
        raise UserError("there are no results", where=str(path / "results.json"), fix="the run has only begun")
    _check_whole(files, files.results)
    if files.scenario is None and (path / "scenario.yaml").exists():
        read_resolved(path / "scenario.yaml")  # which says what is wrong with it
    if files.scenario is None and "scenario file" in files.manifest["hashes"]:
        raise UserError("it is not there, and the run had one", where=str(path / "scenario.yaml"))
    return Run(path, files.results, files.manifest, files.scenario)


def _check_whole(files: RunFiles, results: dict[str, Any]) -> None:
    """Makes sure that the files are of one run, and those that it left."""
    for key in IDENTITY:
        if results[key] != files.manifest[key]:
            what = f"the {key} is {results[key]!r} here, and {files.manifest[key]!r} in manifest.json"
            raise UserError(what, where=str(files.path / "results.json"))
    noted = files.manifest.get("files") or {}
    for name in HASHED:
        if name in noted and (files.path / name).is_file() and sha256_of(files.path / name) != noted[name]:
            fix = "`clsim verify` says what differs"
            raise UserError("this is not the file that the run left", where=str(files.path / name), fix=fix)


def _not_complete(run: Run) -> UserError:
    ended = f"{run.sessions} session{'' if run.sessions == 1 else 's'} ended"
    what = f"this run is not complete ({run.results['status']}, {ended})"
    return UserError(what, where=str(run.path), fix="`clsim run ... --resume` goes on; --incomplete takes it as it is")


def check_once(runs: Sequence[Run]) -> None:
    """Makes sure that no two runs, alike in all else, are of one strategy and seed.

    Raises:
        UserErrors: two are.

    """
    if found := list(_twice(runs)):
        raise UserErrors(found)


def _twice(runs: Sequence[Run]) -> Iterator[UserError]:
    known: dict[tuple[str, int], Path] = {}
    for run in runs:
        first = known.setdefault((run.strategy, run.seed), run.path)
        if first is not run.path:
            what = f"{run.strategy} with seed {run.seed} is here, and in {first} too"
            yield UserError(what, where=str(run.path), fix="name one of them, or take the last with --latest")
