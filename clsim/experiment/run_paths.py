"""The default run directory of an experiment."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from itertools import count
from pathlib import Path

from clsim.experiment.build import Experiment
from clsim.results.run_directory import check_usable


def choose(experiment: Experiment, *, resume: bool) -> Path:
    """Return the last run that is not complete if `resume`, or make a directory for a new run."""
    return (resume and last_unfinished(experiment)) or make(experiment)


def make(experiment: Experiment) -> Path:
    """Make a directory named by seed and second; a second run in the same second gets a number.

    Making it reserves it, also from runs on other machines that share the disk.
    """
    folder, stamp = _folder(experiment), time.strftime("%Y%m%d-%H%M%S")
    check_usable(folder)
    for number in count(1):
        path = folder / (f"seed{experiment.seed}-{stamp}" + (f"-{number}" if number > 1 else ""))
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        return path
    raise AssertionError("unreachable")


def last_unfinished(experiment: Experiment) -> Path | None:
    """Return the latest run of this scenario, strategy and seed that began and is not complete."""
    for path in sorted(_folder(experiment).glob(f"seed{experiment.seed}-*"), key=_order, reverse=True):
        try:
            status = json.loads((path / "results.json").read_text(encoding="utf-8")).get("status")
        except (OSError, ValueError, AttributeError):
            status = None
        if status != "complete" and (path / "manifest.json").exists():
            return path
    return None


def remove_if_empty(path: Path) -> None:
    """Remove a directory that holds nothing."""
    with suppress(OSError):
        path.rmdir()


def _folder(experiment: Experiment) -> Path:
    return Path("runs") / experiment.name / experiment.strategy_name


def _order(path: Path) -> tuple[int, str]:
    """Return a key that sorts ``seed1-20260101-120000-10`` after ``...-9``."""
    return len(path.name), path.name
