"""Loading of a sweep with all its runs, so that all problems show before the first run starts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from clsim.config import Scenario, load_scenario
from clsim.config.discovery import find_scenario, find_sweep
from clsim.config.scenario import strategy_name
from clsim.config.yaml import Document, read
from clsim.sweep.grid import Place, of_strategy, points, slug
from clsim.sweep.job import Job
from clsim.sweep.schema import Sweep
from clsim.utils.errors import UserError, UserErrors
from clsim.utils.issues import Finding, KeyPath
from clsim.utils.schema_errors import findings, unknown_keys
from clsim.utils.text import describe

MOST = 10_000
"""Maximum number of runs of a sweep; more are a mistake."""
OWN_KEYS = {"seed": "seeds: [...]", "strategy": "strategies: [...]"}
"""Keys that no change may set, since directories are named by them, with the keys to use."""


@dataclass
class Plan:
    """Sweep with all its runs loaded.

    Attributes:
        name: Stem of the file.
        sweep: Content of the file.
        jobs: Runs of every point on the test images.
        trials: Runs by which a point is chosen; empty without a choice.

    """

    name: str
    sweep: Sweep
    jobs: list[Job] = field(default_factory=list)
    trials: list[Job] = field(default_factory=list)


def load_sweep(name_or_path: str | Path) -> Plan:
    """Load a sweep by name or path.

    Raises:
        UserError: There is no such sweep.
        UserErrors: The sweep or one of its runs is invalid. Every problem has its file and line.

    """
    path = find_sweep(name_or_path)
    document = read(path)
    raw = document.value
    if not isinstance(raw, dict):
        what = f"expected a block of keys (scenarios, strategies, ...), got {describe(raw)}"
        raise UserErrors([*document.problems, UserError(what, where=document.place(()))])
    sweep, found = None, list(unknown_keys(Sweep, raw))
    try:
        sweep = Sweep.model_validate_json(json.dumps(raw), strict=True)
    except ValidationError as error:
        found += findings(error, raw)
    else:
        found += _check(sweep)
    problems = [UserError(each.what, where=document.place(each.path), fix=each.fix) for each in found]
    if sweep is None or problems or document.problems:
        raise UserErrors([*problems, *document.problems])
    return _Planner(path.stem, sweep, document).plan()


def _check(sweep: Sweep) -> Iterator[Finding]:
    """Yield the findings between the parts of the file."""
    if (sweep.scenario is None) == (not sweep.scenarios):
        fix = "write scenario: NAME, or scenarios: [NAME, NAME]"
        yield Finding(("scenarios",) if sweep.scenarios else (), "it needs either scenario or scenarios", fix)
    for key in ("scenarios", "strategies", "seeds"):
        given = getattr(sweep, key)
        for at, value in enumerate(given):
            if value in given[:at]:
                yield Finding((key, at), f"{key}: {value} appears twice")
    for at, value in enumerate(sweep.choose.seeds if sweep.choose else ()):
        if sweep.choose and value in sweep.choose.seeds[:at]:
            yield Finding(("choose", "seeds", at), f"choose.seeds: {value} appears twice")
    for key, values in sweep.grid.items():
        if not values:
            yield Finding(("grid", key), f"grid.{key}: holds no value")
        if any(key in listed for listed in sweep.list):
            yield Finding(("grid", key), f"{key} stands in both grid and list")
    changed = [("overrides", key) for key in sweep.overrides] + [("grid", key) for key in sweep.grid]
    changed += [("list", at, key) for at, listed in enumerate(sweep.list) for key in listed]  # type: ignore[misc]
    for path in changed:
        key = str(path[-1])
        own = OWN_KEYS.get(key)
        if sweep.choose is not None and key.partition(".")[0] == "validation":
            own = "choose: {share: ..., seed: ...}"
        if own is not None:
            yield Finding(path, f"{key} is not changed like this in a sweep", f"write {own}")
    combinations = max(1, len(sweep.list))
    for values in sweep.grid.values():
        combinations *= len(values)
    runs = combinations * max(1, len(sweep.scenarios)) * max(1, len(sweep.strategies)) * max(1, len(sweep.seeds))
    if runs > MOST:
        yield Finding(("grid",) if sweep.grid else (), f"these are {runs:,} runs; {MOST:,} at most")
    if sweep.choose is not None and combinations < 2:
        yield Finding(("choose",), "choose: there is one point, and nothing to choose", "give it a grid or a list")


class _Planner:
    """Loader of all runs, which locates their problems in the sweep file."""

    def __init__(self, name: str, sweep: Sweep, document: Document) -> None:
        self.sweep, self.document = sweep, document
        self.made = Plan(name, sweep)
        self.problems: dict[tuple[str | None, str], UserError] = {}

    def plan(self) -> Plan:
        listed: list[tuple[KeyPath, str]] = [(("scenarios", at), text) for at, text in enumerate(self.sweep.scenarios)]
        if self.sweep.scenario is not None:
            listed = [(("scenario",), self.sweep.scenario)]
        files: dict[str, Path] = {}
        for at, text in listed:
            try:
                found = find_scenario(text)
            except UserError as error:
                self._report(UserError(error.what, where=self.document.place(at), fix=error.fix))
                continue
            if found.stem in files:
                what = f"two scenarios are called {found.stem}: their runs would share a directory"
                self._report(UserError(what, where=self.document.place(at)))
                continue
            files[found.stem] = found
            self._of_scenario(found)
        if self.problems:
            raise UserErrors(list(self.problems.values()))
        return self.made

    def _of_scenario(self, path: Path) -> None:
        named: list[tuple[int, str | None]] = [*enumerate(self.sweep.strategies)]
        seen: dict[str, str] = {}
        for at, text in named or [(0, None)]:
            place = self.document.place(("strategies", at)) if named else str(path)
            if text is not None and strategy_name(text) in seen:
                what = f"two strategies are called {strategy_name(text)}: their runs would share a directory"
                self._report(UserError(what, where=place))
                continue
            if text is not None:
                seen[strategy_name(text)] = text
            self._of_strategy(path, text, place)

    def _of_strategy(self, path: Path, text: str | None, place: str) -> None:
        """Add the points of a strategy, without those that differ only in settings of others."""
        choose, known = self.sweep.choose, set[str]()
        own = strategy_name(text) if text is not None else None
        trials: list[Job] = []
        for point, places in points(self.sweep):
            if own is None:
                usual = self._loaded(path, None, {**self.sweep.overrides, **point}, places, place)
                if usual is None:
                    continue
                name = strategy_name(usual.strategy)
            else:
                name = own
            point = of_strategy(point, name)
            called = slug(point)
            if called in known:
                continue
            known.add(called)
            changes = {**of_strategy(self.sweep.overrides, name), **point}
            folder = Path(path.stem) / name / called
            scenario = self._loaded(path, text, changes, places, place)
            if scenario is None:
                continue
            self.made.jobs += self._jobs(scenario, point, changes, folder, "seed", self.sweep.seeds)
            if choose is not None:
                held = {**changes, "validation.share": choose.share, "validation.seed": choose.seed}
                trial = self._loaded(path, text, held, places, place)
                seeds = choose.seeds or self.sweep.seeds
                trials += [] if trial is None else self._jobs(trial, point, held, folder, "validation-seed", seeds)
        if len(known) > 1:  # of one point nothing is chosen
            self.made.trials += trials

    def _jobs(
        self,
        scenario: Scenario,
        point: Mapping[str, Any],
        changes: Mapping[str, Any],
        folder: Path,
        called: str,
        seeds: list[int],
    ) -> list[Job]:
        runs = [scenario.with_seed(seed) for seed in seeds or [scenario.seed]]
        return [Job(run, point, changes, folder / f"{called}{run.seed}", called != "seed") for run in runs]

    def _loaded(
        self, path: Path, text: str | None, changes: Mapping[str, Any], places: Place, at: str
    ) -> Scenario | None:
        try:
            return load_scenario(path, changes, strategy=text)
        except UserErrors as errors:
            for error in errors.errors:
                self._report(UserError(error.what, where=self._where(error.where, places, at), fix=error.fix))
        return None

    def _where(self, where: str | None, places: Place, strategy: str) -> str | None:
        """Return the location of an override in the sweep file, or that in the scenario file."""
        if where is None or where.startswith("--strategy "):
            return strategy
        key = where.removeprefix("override ")
        if key == where:
            return where
        return self.document.place(places.get(key, ("choose",)))

    def _report(self, problem: UserError) -> None:
        self.problems.setdefault((problem.where, problem.what), problem)
