"""Replay of stored versions through the metrics of a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from clsim.config import Scenario
from clsim.config.evaluation import DEFAULT_PAIRS, PAIR_CRITERION, CompatibilityEvaluation
from clsim.metrics.cross_test import CONSTRAINT_QUERIES
from clsim.metrics.feature_files import FeatureFiles, PairLabels
from clsim.metrics.flip_tests import RATES, FlipTests, mean_rates
from clsim.metrics.functional.criteria import Criterion, StoredGallery
from clsim.metrics.pair_tests import pair_ranks
from clsim.metrics.search_service import SearchService

FLIPS = (*RATES, "constraints")
Replayed = tuple[dict[str, Any], dict[str, Any] | None]
"""Figures of a version against the one before, and of the search service without times."""


def replayed(
    scenario: Scenario, files: FeatureFiles, labels: PairLabels, versions: int, sessions: int
) -> Iterator[Replayed]:
    """Yield the figures of every version that need its features.

    Args:
        scenario: Scenario of the run.
        files: Stored features.
        labels: Labels of the features.
        versions: Number of versions.
        sessions: Number of sessions of the whole stream; an incomplete run has fewer versions.

    Raises:
        UserError: A file is missing or damaged.
        ValueError: The scenario does not fit the features.

    """
    given = scenario.evaluation.compatibility or DEFAULT_PAIRS
    service = _service(scenario, given, labels, sessions)
    compare = _pairs if not scenario.stream.has_classes else _classes
    for number, record in enumerate(compare(given, files, labels, versions)):
        seen = None
        if service is not None:
            features = files.load(number, labels)
            seen = service.index(features.query, features.gallery, 0.0)
            del seen["device_seconds_saved"]
        yield record, seen


def _service(
    scenario: Scenario, given: CompatibilityEvaluation, labels: PairLabels, sessions: int
) -> SearchService | None:
    asked = scenario.evaluation.service
    if asked is None:
        return None
    service = SearchService(
        sessions,
        steps=asked.steps,
        criterion=asked.criterion,
        queries=asked.queries,
        seed=scenario.seed,
        truncate=given.truncate,
    )
    service.open(labels.query, labels.gallery, same_images=labels.same_images, self_items=labels.self_items)
    return service


def _classes(
    given: CompatibilityEvaluation, files: FeatureFiles, labels: PairLabels, versions: int
) -> Iterator[dict[str, Any]]:
    # Flips are counted at rank 1 or at the nearest mean, independent of the criterion of the matrix.
    named = given.criterion if given.criterion == "nearest_class_mean" else "cmc@1"
    rule = Criterion.parse(named, exclude_self=labels.same_images, truncate=given.truncate)
    before = FlipTests(
        labels.query,
        labels.gallery,
        queries=CONSTRAINT_QUERIES,
        same_images=labels.same_images,
        truncate=given.truncate,
        self_items=labels.self_items,
    )
    kept: list[StoredGallery] = []
    for number in range(versions):
        features = files.load(number, labels)
        kept = [*kept[-1:], rule.store(features.gallery, labels.gallery, labels.self_items)]
        _, right = rule.row(features.query, labels.query, kept, labels.self_items)
        # The matrix only matters for the update gain, which the records hold as well.
        record = before.record([[0.0], [0.0, 0.0]], features.query, features.gallery, right)
        yield {key: record[key] for key in (*FLIPS, "reindex_recall")}


def _pairs(
    given: CompatibilityEvaluation, files: FeatureFiles, labels: PairLabels, versions: int
) -> Iterator[dict[str, Any]]:
    match = PAIR_CRITERION.fullmatch(given.criterion)
    if match is None:
        raise ValueError(f"{given.criterion} is no criterion for images and texts")
    k, last, right = int(match[1]), None, None
    for number in range(versions):
        now = files.load(number, labels)
        own = [ranks <= k for ranks in pair_ranks(now.gallery, now.query, now.gallery, now.query, labels.query)]
        record: dict[str, Any] = dict.fromkeys(FLIPS)
        if last is not None and right is not None:
            crossed = pair_ranks(now.gallery, now.query, last.gallery, last.query, labels.query)
            record |= mean_rates([(old, new <= k) for old, new in zip(right, crossed, strict=True)])
        yield record
        last, right = now, own
