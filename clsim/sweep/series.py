"""Runs of one scenario: every seed, then every reference strategy, and their comparison."""

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
    from clsim.results.results import Results


class Resuming(NamedTuple):
    """Whether incomplete runs are resumed, and whether even if their inputs have changed."""

    resume: bool = False
    force: bool = False


FRESH = Resuming()


class Reporting(NamedTuple):
    """Console mode and trackers of all runs."""

    mode: Mode
    trackers: Sequence[TrackerBlock]


class Entry(NamedTuple):
    """One strategy of a series, which runs with every seed.

    Attributes:
        scenario: Scenario with the strategy selected.
        out: Directory of its runs; ``None`` for the default.
        strict: Whether missing data or weights are an error, rather than replaced by a stand-in.

    """

    scenario: Scenario
    out: Path | None
    strict: bool


def run_series(
    scenario: Scenario,
    *,
    seeds: Sequence[int],
    device: str = "auto",
    out: Path | None = None,
    strict: bool = False,
    resuming: Resuming = FRESH,
    mode: Mode = "auto",
    track: Sequence[str] = (),
) -> list[list[Results]]:
    """Run a scenario's strategy with every seed, then its references, then print the comparison.

    References belong to the scenario's own experiment. They do not run if an option or override selects another
    strategy, unless the references are overridden too. A reference whose weights are missing is skipped with a
    message.

    Args:
        scenario: Scenario with all overrides.
        seeds: Seeds of the runs, in their order.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:i``.
        out: Directory of a single run. Several runs use ``out/seed<seed>``, and references ``out/<reference>``.
        strict: Whether missing data or weights are an error, rather than replaced by a stand-in.
        resuming: Whether incomplete runs are resumed. Complete ones do not change.
        mode: Mode of the console.
        track: Names of trackers besides the scenario's. They track references and a stand-in too.

    Returns:
        Results by strategy, then by seed.
    """
    trackers = chosen_trackers(scenario.trackers, track)
    check_trackers(trackers)
    has_references = scenario.has_override("references") or not scenario.has_override("strategy")
    if out is not None:
        for folder in _folders(scenario, seeds, out, references=has_references):
            check_usable(folder, resume=resuming.resume)
    how = Reporting(mode, trackers)

    def every_seed(entry: Entry) -> list[Results]:
        several = len(seeds) > 1
        return [_run(entry, seed, several=several, device=device, how=how, resuming=resuming) for seed in seeds]

    finished = [every_seed(Entry(scenario, out, strict))]
    ran, stands_in = scenario, bool(finished[0][0].stands_in_for)
    if stands_in and scenario.otherwise is not None:
        ran = load_scenario(scenario.otherwise)
    if has_references:
        for entry in reference_entries(scenario, ran, finished[0][0].strategy, out):
            try:
                finished.append(every_seed(entry))
            except (DataMissing, WeightsMissing) as missing:
                name = strategy_name(entry.scenario.strategy)
                print(clean(f"the reference {name} is skipped: {missing.what}"), file=sys.stderr)
    if mode != "json" and sum(map(len, finished)) > 1:
        _compare(finished, ran)
    return finished


def reference_entries(scenario: Scenario, ran: Scenario, strategy: str, out: Path | None) -> Iterator[Entry]:
    """Yield the references to run after the main strategy, on the stream that it had.

    A reference takes over overridden settings that it has too, weights for instance, and all overrides of other
    blocks. On a stand-in it takes over its own settings, the seeds and the validation images.

    Args:
        scenario: Scenario of the series.
        ran: The same, or the stand-in that ran for it.
        strategy: Name of the strategy that ran.
        out: Directory of the series.

    """
    prefix, stands_in = "strategy.", ran is not scenario
    for reference in ran.references:
        if strategy_name(reference) == strategy:
            continue
        signature = read_signature(find_strategy(reference))
        shared = {
            key: value
            for key, value in scenario.overrides.items()
            if (signature.has(key.removeprefix(prefix)) if key.startswith(prefix) else not stands_in)
        }
        if stands_in:
            shared |= scenario.seeds_for(ran)
            shared |= scenario.repeats_for(ran)
            if scenario.validation is not None:
                shared["validation"] = scenario.validation.model_dump()
        folder = out / strategy_name(reference) if out else None
        yield Entry(load_scenario(ran.path, shared, strategy=reference), folder, strict=True)


def read_seeds(texts: Sequence[str]) -> list[int]:
    """Return the seeds of a command line.

    Raises:
        UserError: A seed is not an integer in range, or appears twice.

    Example:
        >>> read_seeds(["42", " 13"])
        [42, 13]

    """
    seeds: list[int] = []
    for text in map(str.strip, texts):
        if not (text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) < 2**32):
            raise UserError(f"'{text}' is not a seed", where="--seeds", fix="use integers from 0 to 4294967295")
        if int(text) in seeds:
            raise UserError(f"the seed {text} appears twice", where="--seeds")
        seeds.append(int(text))
    return seeds


def _folders(scenario: Scenario, seeds: Sequence[int], out: Path, *, references: bool) -> list[Path]:
    """Return all directories that the series may write to, which are checked before the first run."""
    named = scenario.references if references else []
    if references and scenario.otherwise:
        named = [*named, *load_scenario(scenario.otherwise).references]
    places = [out, *(out / strategy_name(reference) for reference in named)]
    return [_folder(place, seed, several=len(seeds) > 1) for place in places for seed in seeds]


def _folder(out: Path, seed: int, *, several: bool) -> Path:
    """Return the directory of one seed's run."""
    return out / f"seed{seed}" if several else out


def _run(entry: Entry, seed: int, *, several: bool, device: str, how: Reporting, resuming: Resuming) -> Results:
    from clsim.api import run

    return run(
        entry.scenario.with_seed(seed),
        device=device,
        out=_folder(entry.out, seed, several=several) if entry.out else None,
        strict=entry.strict,
        **resuming._asdict(),
        listeners=[make_reporter(how.mode)],
        trackers=how.trackers,
    )


def _compare(finished: list[list[Results]], ran: Scenario) -> None:
    """Print the results side by side, as the kind of stream of the scenario that ran requires."""
    from clsim.report.console.series_table import print_series

    rows: list[dict[str, Any]] = [
        {"strategy": seeds[0].strategy, "seeds": [results.to_dict() for results in seeds]} for seeds in finished
    ]
    print_series(make_console(), rows, upgrades_by=ran.upgrades_by)
