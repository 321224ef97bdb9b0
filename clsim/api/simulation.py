"""Runs: the engine, wired to console, HTML report and trackers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from clsim.config import Scenario
from clsim.config.trackers import TrackerBlock, chosen_trackers
from clsim.experiment.build import prepare, prepare_given
from clsim.experiment.device import resolve_device
from clsim.experiment.events import Broadcast, Listener, Note, NotesOnStderr
from clsim.experiment.runner import simulate
from clsim.report.reporters.page import PageWriter
from clsim.report.reporters.safe import SafeListener
from clsim.report.trackers.make import tracking
from clsim.results.results import Results
from clsim.results.run_directory import check_usable
from clsim.streams import Stream, TextStream
from clsim.training import Strategy
from clsim.utils import distributed
from clsim.utils.arguments import Seed, checked
from clsim.utils.errors import ArgumentError
from clsim.utils.files import from_home


@checked
def run(
    scenario: Scenario | Stream | TextStream | str | Path,
    strategy: str | Path | Strategy | None = None,
    *,
    overrides: Mapping[str, object] | Sequence[str] | None = None,
    seed: Seed | None = None,
    device: str | torch.device = "auto",
    out: Path | str | None = None,
    strict: bool = False,
    resume: bool = False,
    force: bool = False,
    listeners: Sequence[Listener] = (),
    trackers: Sequence[str | TrackerBlock] | None = None,
) -> Results:
    """Run one strategy on one stream and write a run directory.

    Args:
        scenario: Scenario, its name or path; or a stream, with a :class:`Strategy` as ``strategy``.
        strategy: Name or path of a strategy; the default is the scenario's.
        overrides: Changes to a scenario loaded by name, ``{"stream.shots": 1}`` or ``["stream.shots=1"]``.
        seed: Seed of the run; the default is the scenario's. A strategy composed in Python is seeded already.
        device: Device: ``auto``, ``cpu``, ``cuda`` or ``cuda:i``. A strategy composed in Python has its own.
        out: Run directory; the default is ``runs/<scenario>/<strategy>/seed<seed>-<time>``.
        strict: Whether missing data or weights are an error; otherwise the stand-in runs.
        resume: Whether to resume the run in ``out``, or the last one that is not complete. Begins if there is none.
        force: Whether to resume even if scenario, code, data or weights have changed; the manifest lists the changes.
        listeners: Listeners for the events of the run. An exception in one is logged; the run continues.
        trackers: Names or blocks of trackers; the default is the scenario's.

    Returns:
        The figures, as in ``results.json``.

    Raises:
        UserError: The input is wrong; nothing was written.
        RunFailed: The run could not continue; all files written so far are whole.

    """
    out = None if out is None else from_home(out, "--out")
    device = distributed.init(resolve_device(str(device)))
    if out is not None and distributed.is_main():
        check_usable(out, resume=resume)
    if not isinstance(scenario, Scenario | str | Path):
        if overrides or seed is not None:
            raise ArgumentError("a strategy composed in Python has its settings and its seed already")
        experiment = prepare_given(scenario, strategy)
    else:
        experiment = distributed.main_first(lambda: prepare(scenario, strategy, overrides, seed, device, strict))
    own = experiment.scenario.trackers if experiment.scenario else []
    blocks = chosen_trackers(own if trackers is None else trackers) if distributed.is_main() else []
    console = Broadcast([SafeListener(listener) for listener in listeners or (NotesOnStderr(),)])
    page = PageWriter(lambda text: console.on_event(Note(text)))
    with tracking(blocks) as logs:
        return simulate(experiment, out=out, resume=resume, force=force, listeners=[page, console, *logs])
