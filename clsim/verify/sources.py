"""Checks of scenario, code, data, split lists and weights on this machine against the hashes of the manifest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from clsim.config import Scenario
from clsim.config.discovery import find_metric, find_strategy
from clsim.config.local_imports import import_hashes
from clsim.config.scenario import strategy_name
from clsim.data.facts import CAPTIONS
from clsim.results.provenance import (
    PRETRAINED_FILE,
    STRATEGY_IMPORT,
    WEIGHTS_FILE,
    data_hashes,
    metric_import,
    source_sha256,
    split_sha256,
    standard_lists,
    stream_split_sha256,
    weights_file,
)
from clsim.results.reader import RunFiles
from clsim.streams.settings import TextUpgradeStream
from clsim.utils.errors import DataMissing, UserError
from clsim.utils.files import from_home, sha256_of
from clsim.verify.check import Check, agrees, compared, compared_hash, differs, not_checked

FOLDER = "folder:"
DATA = (
    "train images",
    "test images",
    "train captions",
    "test captions",
    "query images",
    "gallery images",
    "split lists",
)
"""Hashes of the manifest that a newly built stream reproduces."""
COUNTS = "numbers of test images"


def check_sources(run: RunFiles) -> Iterator[Check]:
    """Check the inputs of a run; nothing is downloaded, created or executed."""
    hashes = run.manifest["hashes"]
    if (run.path / "scenario.yaml").is_file():
        yield compared_hash("scenario.yaml", hashes.get("scenario file"), sha256_of(run.path / "scenario.yaml"))
        if run.scenario_problem is not None:
            yield differs("scenario.yaml", run.scenario_problem)
    elif "scenario file" in hashes:
        yield differs("scenario.yaml", "missing")
    yield _source(run)
    if run.scenario is None:
        yield not_checked("strategy, data, split lists and weights", run.why_no_scenario)
        return
    chosen = run.scenario.strategy
    yield _strategy(run, run.scenario)
    yield from _imports(run, STRATEGY_IMPORT, lambda: find_strategy(chosen))
    yield from _precision(run, run.scenario)
    for name in run.scenario.evaluation.metrics:
        yield _metric(run, name)
        yield from _imports(run, metric_import(name), partial(find_metric, name))
    yield from _lists(run, run.scenario)
    yield from _data(run, run.scenario)
    for key in hashes:
        if key.startswith(WEIGHTS_FILE) or key == PRETRAINED_FILE:
            yield _weights(run, run.scenario, key)


def _source(run: RunFiles) -> Check:
    made_by, here = run.manifest["clsim"], metadata.version("clsim")
    if made_by != here:
        return not_checked("clsim source", f"the run is of clsim {made_by}, this is {here}")
    return compared_hash("clsim source", run.manifest["hashes"].get("clsim source"), source_sha256())


def _strategy(run: RunFiles, scenario: Scenario) -> Check:
    what, noted = "strategy file", run.manifest["hashes"].get("strategy file")
    if strategy_name(scenario.strategy) != run.manifest["strategy"]:
        return differs(what, f"{scenario.strategy} in scenario.yaml, {run.manifest['strategy']} in the manifest")
    try:
        path = find_strategy(scenario.strategy)
    except UserError as error:
        return not_checked(what, error.what)
    return _file(what, noted, path)


def _imports(run: RunFiles, prefix: str, find: Callable[[], Path]) -> Iterator[Check]:
    """Check the user's modules that a strategy or metric imports."""
    noted = {key: sha for key, sha in run.manifest["hashes"].items() if key.startswith(prefix)}
    try:
        here = import_hashes(find(), prefix)
    except (UserError, OSError) as error:
        if noted:
            yield not_checked(f"{prefix.strip()}s", str(error).splitlines()[0])
        return
    for key in sorted({*noted, *here}):
        if key in here:
            yield compared_hash(key, noted.get(key), here[key])
        else:
            yield differs(key, "the manifest holds a hash, but the module is missing or not imported")


def _precision(run: RunFiles, scenario: Scenario) -> Iterator[Check]:
    """Check the requested precision against the scenario, and the one in use, which may be fp32 instead."""
    asked, used = run.manifest.get("precision_requested"), run.manifest.get("precision")
    wanted = scenario.strategies.get(run.manifest["strategy"], {}).get("precision")
    if asked is None or not isinstance(wanted, str):
        return
    if wanted != asked:
        yield differs("precision", f"{wanted} in scenario.yaml, {asked} in the manifest")
    elif used not in (asked, "fp32"):
        yield differs("precision", f"{used} was used, {asked} requested")
    else:
        yield agrees("precision", str(used) if used == asked else f"{used} instead of {asked}")


def _metric(run: RunFiles, name: str) -> Check:
    what = f"metric {name}"
    try:
        path = find_metric(name)
    except UserError as error:
        return not_checked(what, error.what)
    return _file(what, run.manifest["hashes"].get(what), path)


def _file(what: str, noted: Any, path: Path) -> Check:
    try:
        return compared_hash(what, noted, sha256_of(path))
    except OSError as error:
        return not_checked(what, f"cannot be read ({error.strerror})")


def _lists(run: RunFiles, scenario: Scenario) -> Iterator[Check]:
    """Check the standard few-shot lists, file by file."""
    what, noted = "standard few-shot lists", run.manifest.get("split_lists", {})
    known = standard_lists(scenario)
    if not (noted or known):
        return
    yield compared(what + ", their pinned hashes", noted, known, detail=f"{len(known)} lists")
    from clsim.data.datasets.splits import read_list

    try:
        for name in known:
            dataset, file = name.split("/")
            read_list(dataset, file, download=False)
    except DataMissing as error:
        yield not_checked(what, error.what)
    except UserError as error:
        yield differs(what, str(error).splitlines()[0])
    else:
        yield agrees(what, f"{len(known)} files")


def _data(run: RunFiles, scenario: Scenario) -> Iterator[Check]:
    """Check the data of the stream, rebuilt without its replacement models."""
    noted = {key: sha for key, sha in run.manifest["hashes"].items() if key in DATA}
    try:
        found, images = _of_stream(scenario)
    except DataMissing as error:
        yield not_checked("data and split lists", error.what)
        return
    except UserError as error:
        yield differs("data and split lists", str(error).splitlines()[0])
        return
    for key in DATA:
        if key in noted and key in found:
            yield compared_hash(key, noted[key], found[key])
        elif key in noted:
            yield differs(key, "the manifest holds a hash, but the scenario names no such data")
        elif key in found:
            yield not_checked(key, "the manifest holds no hash")
    if (said := run.manifest.get("test_images")) is not None:
        yield compared(COUNTS, {"after each session": said}, {"after each session": images})


def _of_stream(scenario: Scenario) -> tuple[dict[str, str], list[int]]:
    """Return hashes of a scenario's data and splits, and the number of test images after every session.

    Raises:
        DataMissing: A data set is missing.
        UserError: A data set does not fit the scenario.
    """
    import torch

    from clsim.data import load_captions
    from clsim.experiment.eval_sets import compared_images
    from clsim.experiment.resolve import plain_stream

    described = scenario.stream
    _here(described.dataset)
    if isinstance(described, TextUpgradeStream):
        data = load_captions(described.dataset, image_size=described.image_size)
        each = torch.arange(min(described.pairs or len(data.train), len(data.train)))
        sessions = len(described.load)
        return data_hashes(data) | {"split lists": split_sha256((), [each] * sessions)}, [len(data.test)] * sessions
    given = scenario.evaluation.compatibility
    if given is not None and given.images not in ("stream", "held_out"):
        _here(given.images)
    stream = plain_stream(scenario)
    images = None if given is None else compared_images(given, stream, scenario.validation)
    return data_hashes(stream.dataset, images) | {"split lists": stream_split_sha256(stream)}, stream.tested_images


def _here(name: str) -> None:
    """Raise an error if loading a data set would download anything.

    Raises:
        DataMissing: The data set is missing.
    """
    from clsim.data import data_root
    from clsim.data.catalog import ENTRIES

    prefix = next((prefix for prefix in (FOLDER, CAPTIONS) if name.startswith(prefix)), None)
    if prefix is not None:
        present = from_home(name.removeprefix(prefix), name).exists()
    else:
        present = name not in ENTRIES or ENTRIES[name].is_here(data_root())
    if not present:
        raise DataMissing(f"{name} is not here")


def _weights(run: RunFiles, scenario: Scenario, key: str) -> Check:
    noted = run.manifest["hashes"][key]
    try:
        if key == PRETRAINED_FILE:
            path = from_home(str(scenario.settings.get("pretrained")), "strategy.pretrained")
        else:
            found = weights_file(scenario, key.removeprefix(WEIGHTS_FILE))
            if found is None:
                return not_checked(key, "not on this machine")
            path = found
        return compared_hash(key, noted, sha256_of(path)) if path.is_file() else not_checked(key, "not on this machine")
    except UserError as error:
        return differs(key, str(error).splitlines()[0])
    except OSError as error:
        return not_checked(key, f"cannot be read ({error.strerror})")
