"""Checks of figures recomputed from stored features, without a model."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from clsim.config.evaluation import DEFAULT_PAIRS, PAIR_CRITERION
from clsim.metrics.feature_files import FeatureFiles, PairLabels, recompute_matrix
from clsim.metrics.functional.criteria import Criterion
from clsim.metrics.functional.similarity import BLOCK, limit_similarities
from clsim.metrics.pair_tests import DIRECTIONS, recompute_pairs
from clsim.results.reader import RunFiles
from clsim.utils.errors import UserError
from clsim.verify.arithmetic import is_of_texts
from clsim.verify.check import Check, agrees, compared, differs, not_checked
from clsim.verify.replay import replayed

ELSEWHERE = 1e-3
"""Tolerance of a share computed on another machine, where rounding may order equal similarities differently."""
HEADERS = {"query_sha256": "query images", "gallery_sha256": "gallery images", "pairs_sha256": "test images"}
"""Keys in the headers of feature files, with the key of the same hash in the manifest."""
LATER = ("relative_negative_flip_rate", "reindex_recall")
"""Keys that earlier versions did not write."""
Rows = list[list[float]]


def check_features(run: RunFiles) -> Iterator[Check]:
    """Check the figures that follow from the features of a run."""
    what, folder = "features", run.path / "features"
    measured = [record for record in run.sessions if record["compatibility"]]
    if not folder.is_dir():
        given = run.scenario.evaluation.compatibility if run.scenario else None
        if measured and given is not None and given.keep_features:
            yield differs(what, "features/ is missing, but the scenario keeps features")
        elif measured:
            yield not_checked("matrices from features", "the run kept no features")
        return
    try:
        files = FeatureFiles(folder)
        labels, versions = files.load_labels(), files.versions()
        yield _versions(run, len(measured), versions)
        yield _headers(run, files, labels, versions)
    except UserError as error:
        yield differs(what, str(error))
        return
    if len(measured) == len(run.sessions) <= versions and measured:
        with _as_it_ran(run):
            yield from _figures(run, folder, labels)
    else:
        because = "versions and sessions differ in number" if run.sessions else "no session has ended"
        yield not_checked("matrices from features", because)


def _versions(run: RunFiles, measured: int, versions: int) -> Check:
    what, counts = "versions in features/", f"{versions} versions, {measured} evaluated sessions"
    # A killed run may have stored the features of a session but not yet its record.
    fits = versions == measured if run.complete else measured <= versions <= measured + 1
    return agrees(what, f"{versions} versions") if fits else differs(what, counts)


def _headers(run: RunFiles, files: FeatureFiles, labels: PairLabels, versions: int) -> Check:
    """Check that every file names the images of the manifest."""
    what, criterion = "headers of features and manifest", _criterion(run, labels)
    known = 0
    for name, info in [
        ("labels", labels.info),
        *((f"version{t}", files.load(t, labels).info) for t in range(versions)),
    ]:
        for key in HEADERS.keys() & info.keys():
            noted = run.manifest["hashes"].get(HEADERS[key])
            if noted != info[key]:
                return differs(
                    what, f"{name}, {key}: {info[key][:12]} there, {(noted or 'nothing')[:12]} in the manifest"
                )
            known += 1
        if criterion is not None and info.get("criterion", criterion) != criterion:
            return differs(what, f"{name}: criterion {info['criterion']}, in the scenario {criterion}")
    return agrees(what) if known else not_checked(what, "the headers name no images")


def _criterion(run: RunFiles, labels: PairLabels) -> str | None:
    """Return the criterion as headers write it."""
    if run.scenario is None:
        return None
    given = run.scenario.evaluation.compatibility or DEFAULT_PAIRS
    if is_of_texts(run):
        return given.criterion
    try:
        return str(Criterion.parse(given.criterion, exclude_self=labels.same_images, truncate=given.truncate))
    except ValueError as error:
        raise UserError(f"criterion {given.criterion} of the scenario does not fit these features: {error}") from error


def _figures(run: RunFiles, folder: Path, labels: PairLabels) -> Iterator[Check]:
    given = run.scenario.evaluation.compatibility if run.scenario else None
    if run.scenario is None:
        yield not_checked("matrices from features", run.why_no_scenario)
        return
    pairs, close = is_of_texts(run), 0.0 if _computed_here(run) else ELSEWHERE
    given = given or DEFAULT_PAIRS
    detail = "exactly" if not close else f"within {close:g}: another machine computed them"
    records = [record["compatibility"] for record in run.sessions]
    rows = [[*record["cross_tests"], record["self_test"]] for record in records]
    names = list(records[-1]["also"])
    try:
        if pairs:
            yield from _pairs(folder, given.criterion, names, records, rows, close, detail)
        else:
            found: dict[str, Rows] = {"": rows} | {name: [record["also"][name] for record in records] for name in names}
            for name, matrix in found.items():
                recomputed = recompute_matrix(folder, name or given.criterion, truncate=given.truncate)[: len(matrix)]
                what = f"matrix of {name or given.criterion} from features"
                yield compared(what, {"matrix": matrix}, {"matrix": recomputed}, close=close, detail=detail)
        yield from _replayed(run, FeatureFiles(folder), labels, close, detail)
    except (UserError, ValueError) as error:
        yield differs("matrices from features", str(error))


def _pairs(
    folder: Path, criterion: str, names: list[str], records: list[Any], rows: Rows, close: float, detail: str
) -> Iterator[Check]:
    """Check every K of images and texts in both directions, and the matrix, which is the mean of two."""
    counts = dict.fromkeys([criterion, *(name.partition("/")[0] for name in names)])
    for name in counts:
        if (match := PAIR_CRITERION.fullmatch(name)) is None:
            yield differs("matrices from features", f"{name} is no criterion for images and texts")
            continue
        recomputed = {side: matrix[: len(rows)] for side, matrix in recompute_pairs(folder, int(match[1])).items()}
        for side in DIRECTIONS:
            found = [record["also"].get(f"{name}/{side}") for record in records]
            what = f"matrix of {name}/{side} from features"
            yield compared(what, {"matrix": found}, {"matrix": recomputed[side]}, close=close, detail=detail)
        if name == criterion:
            one, other = (recomputed[side] for side in DIRECTIONS)
            mean = [[(a + b) / 2 for a, b in zip(*both, strict=True)] for both in zip(one, other, strict=True)]
            what = f"matrix of {criterion} from features"
            yield compared(what, {"matrix": rows}, {"matrix": mean}, close=close, detail=detail)


def _replayed(run: RunFiles, files: FeatureFiles, labels: PairLabels, close: float, detail: str) -> Iterator[Check]:
    """Check the figures against the version before, and those of the search service."""
    assert run.scenario is not None
    flips, services, versions = list[Check](), list[Check](), len(run.sessions)
    sessions = max(versions, run.scenario.sessions or 0, len(run.manifest.get("test_images") or ()))
    for number, (record, service) in enumerate(replayed(run.scenario, files, labels, versions, sessions)):
        session = run.sessions[number]
        stored = session["compatibility"]
        record = {key: value for key, value in record.items() if key in stored or key not in LATER}
        found = {key: stored.get(key) for key in record}
        flips.append(
            compared(
                "flips and constraints from features",
                {f"session {number}": found},
                {f"session {number}": record},
                close=close,
                detail=detail,
            )
        )
        if service is not None or session["service"]:
            seen = {key: value for key, value in (session["service"] or {}).items() if key != "device_seconds_saved"}
            services.append(
                compared(
                    "service from features",
                    {f"session {number}": seen},
                    {f"session {number}": service},
                    close=close,
                    detail=detail,
                )
            )
    for checks in filter(None, (flips, services)):
        yield next((check for check in checks if check.verdict == "DIFFERS"), checks[-1])


def _computed_here(run: RunFiles) -> bool:
    """Return whether the run was computed on a machine like this, where equal sums are rounded alike."""
    manifest = run.manifest
    same_torch = manifest["packages"].get("torch") == metadata.version("torch")
    return bool(same_torch and manifest["platform"] == platform.platform() and manifest["device"] == "cpu")


@contextmanager
def _as_it_ran(run: RunFiles) -> Iterator[None]:
    """Compute with the run's number of threads and block size, on which rounding depends."""
    threads = torch.get_num_threads()
    if used := run.manifest.get("threads"):
        torch.set_num_threads(min(used, 4 * threads))
    try:
        with limit_similarities(run.scenario.evaluation.similarities if run.scenario else BLOCK):
            yield
    finally:
        torch.set_num_threads(threads)
