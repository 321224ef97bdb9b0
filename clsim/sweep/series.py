"""Several runs of one scenario: every seed and every reference, side by side at the end."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from clsim.config import Scenario, load_scenario
from clsim.config.discovery import find_strategy
from clsim.config.scenario import strategy_name
from clsim.config.signatures import read_signature
from clsim.config.trackers import TrackerBlock, chosen_trackers
from clsim.report.console.choose import Mode, make_console, make_reporter
from clsim.report.trackers.make import check_trackers
from clsim.results.run_directory import check_usable
from clsim.utils.errors import DataMissing, UserError, WeightsMissing
from clsim.utils.text import clean

if TYPE_CHECKING:
    from clsim.results.run_directory import Results


class GoingOn(NamedTuple):
    """Whether runs that were not completed are resumed, and whether even if they are not the same any more."""

    resume: bool = False
    force: bool = False


AFRESH = GoingOn()


class Reporting(NamedTuple):
    """Who is told of the runs: the console, in one of its modes, and trackers."""

    mode: Mode
    trackers: Sequence[TrackerBlock]


class Entry(NamedTuple):
    """One strategy of a series, to run with every seed."""

    scenario: str
    strategy: str | None
    overrides: Sequence[str]
    out: Path | None
    strict: bool


def run_series(
    scenario: Scenario,
    *,
    seeds: Sequence[int],
    strategy: str | None = None,
    overrides: Sequence[str] = (),
    device: str = "auto",
    out: Path | None = None,
    strict: bool = False,
    going_on: GoingOn = AFRESH,
    mode: Mode = "auto",
    track: Sequence[str] = (),
) -> list[list[Results]]:
    """Run a scenario's strategy with every seed, then its references, then print the comparison.

    References run only where no other strategy was asked for, or they were too: they belong to the scenario's own
    experiment. One whose weights are missing is left out, aloud.

    Args:
        scenario: loaded with these same changes, so that mistakes show before torch is imported.
        seeds: of the runs, in their order.
        strategy: another strategy than the scenario's own.
        overrides: ``key.sub=value``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:i``.
        out: directory of a single run; of several, ``out/seed<seed>``, and ``out/<reference>`` for references.
        strict: refuse rather than run a stand-in.
        going_on: whether runs are resumed; those that are complete are left as they are.
        mode: how to report.
        track: names of trackers besides the scenario's own; they track references and a stand-in too.

    Returns:
        The results by strategy, then by seed.
    """
    trackers = chosen_trackers(scenario.trackers, track)
    check_trackers(trackers)
    changed = {_key(change) for change in overrides}
    by_hand = (strategy is not None or "strategy" in changed) and "references" not in changed
    if out is not None:
        for folder in _folders(scenario, seeds, out, references=not by_hand):
            check_usable(folder, resume=going_on.resume)

    def every_seed(entry: Entry) -> list[Results]:
        several = len(seeds) > 1
        how = Reporting(mode, trackers)
        return [_run(entry, seed, several=several, device=device, how=how, going_on=going_on) for seed in seeds]

    finished = [every_seed(Entry(str(scenario.path), strategy, overrides, out, strict))]
    for entry in () if by_hand else reference_entries(scenario, finished[0][0], overrides, out):
        try:
            finished.append(every_seed(entry))
        except (DataMissing, WeightsMissing) as missing:
            print(clean(f"the reference {entry.strategy} is left out: {missing.what}"), file=sys.stderr)
    if mode != "json" and sum(map(len, finished)) > 1:
        stand_in = scenario.otherwise if finished[0][0].stands_in_for else None
        _compare(finished, load_scenario(stand_in) if stand_in else scenario)
    return finished


def reference_entries(
    scenario: Scenario, first: Results, overrides: Sequence[str], out: Path | None
) -> Iterator[Entry]:
    """The references to run after `first`, on the stream that `first` had: the stand-in's where one ran.

    They take over the settings changed by hand that they have too (weights, for instance), and the seeds; so all
    learn alike.
    """
    stand_in = scenario.otherwise if first.stands_in_for else None
    ran = load_scenario(stand_in) if stand_in else scenario
    for reference in ran.references:
        if strategy_name(reference) == first.strategy:
            continue
        settings = read_signature(find_strategy(reference)).settings
        shared = [
            change
            for change in overrides
            if (_key(change).startswith("strategy.") and _key(change).removeprefix("strategy.") in settings)
            or not (stand_in or _key(change).startswith("strategy."))
        ]
        if stand_in:
            seeds = scenario.seeds_for(ran).items()
            shared += [f"{key}={'null' if seed is None else seed}" for key, seed in seeds]
            if scenario.validation is not None:
                held = scenario.validation.model_dump().items()
                shared += [f"validation.{key}={value}" for key, value in held]
        folder = out / strategy_name(reference) if out else None
        yield Entry(stand_in or str(scenario.path), reference, shared, folder, strict=True)


def read_seeds(texts: Sequence[str]) -> list[int]:
    """Seeds from the command line.

    Raises:
        UserError: one is no whole number in range, or appears twice.
    """
    seeds: list[int] = []
    for text in map(str.strip, texts):
        if not (text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) < 2**32):
            raise UserError(f"'{text}' is not a seed", where="--seeds", fix="whole numbers from 0 to 4294967295")
        if int(text) in seeds:
            raise UserError(f"the seed {text} appears twice", where="--seeds")
        seeds.append(int(text))
    return seeds


def _folders(scenario: Scenario, seeds: Sequence[int], out: Path, *, references: bool) -> list[Path]:
    """Every directory that the series may write to, looked at before the first run rather than after it."""
    named = scenario.references if references else []
    if references and scenario.otherwise:
        named = [*named, *load_scenario(scenario.otherwise).references]
    places = [out, *(out / strategy_name(reference) for reference in named)]
    return [_folder(place, seed, several=len(seeds) > 1) for place in places for seed in seeds]


def _folder(out: Path, seed: int, *, several: bool) -> Path:
    """Where the run of one seed goes."""
    return out / f"seed{seed}" if several else out


def _run(entry: Entry, seed: int, *, several: bool, device: str, how: Reporting, going_on: GoingOn) -> Results:
    from clsim.api import run

    return run(
        entry.scenario,
        entry.strategy,
        overrides=list(entry.overrides),
        seed=seed,
        device=device,
        out=_folder(entry.out, seed, several=several) if entry.out else None,
        strict=entry.strict,
        **going_on._asdict(),
        listeners=[make_reporter(how.mode)],
        trackers=how.trackers,
    )


def _key(change: str) -> str:
    return change.partition("=")[0].strip()


def _compare(finished: list[list[Results]], ran: Scenario) -> None:
    """Print what `finished` says side by side; what kind of stream it was only the scenario that `ran` knows."""
    from clsim.report.console.series_table import print_series

    rows: list[dict[str, Any]] = [
        {"strategy": seeds[0].strategy, "seeds": [results.to_dict() for results in seeds]} for seeds in finished
    ]
    print_series(make_console(), rows, upgrades_by=ran.upgrades_by)
