"""The stored versions, one after the other, as the metrics of the run saw them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from clsim.config import Scenario
from clsim.config.evaluation import PAIR_CRITERION, CompatibilityEvaluation
from clsim.experiment.evaluation import PAIRS
from clsim.metrics.cross_test import CONSTRAINT_QUERIES
from clsim.metrics.feature_files import FeatureFiles, PairLabels
from clsim.metrics.flip_tests import AgainstBefore
from clsim.metrics.functional.criteria import Criterion, Kept
from clsim.metrics.functional.flips import flip_rates
from clsim.metrics.pair_tests import DIRECTIONS, pair_ranks
from clsim.metrics.search_service import ServiceView

FLIPS = ("negative_flip_rate", "positive_flip_rate", "constraints")
Replayed = tuple[dict[str, Any], dict[str, Any] | None]
"""What is said of a version beside the one before it, and of the service, times left out."""


def replayed(
    scenario: Scenario, files: FeatureFiles, labels: PairLabels, versions: int, sessions: int
) -> Iterator[Replayed]:
    """The figures of every version that only its features tell.

    Args:
        scenario: of the run.
        files: the features it stored.
        labels: of the same.
        versions: so many of them.
        sessions: of the whole stream; the run may not have come to its end.

    Raises:
        UserError: a file is missing or damaged.
        ValueError: what the scenario asks for does not suit the features.

    """
    given = scenario.evaluation.compatibility or PAIRS
    service = _service(scenario, given, labels, sessions)
    compare = _pairs if not scenario.stream.has_classes else _classes
    for number, record in enumerate(compare(given, files, labels, versions)):
        seen = None
        if service is not None:
            features = files.load(number, labels)
            seen = service.enrol(features.query, features.gallery, 0.0)
            del seen["device_seconds_saved"]
        yield record, seen


def _service(
    scenario: Scenario, given: CompatibilityEvaluation, labels: PairLabels, sessions: int
) -> ServiceView | None:
    asked = scenario.evaluation.service
    if asked is None:
        return None
    service = ServiceView(
        sessions,
        steps=asked.steps,
        criterion=asked.criterion,
        queries=asked.queries,
        seed=scenario.seed,
        truncate=given.truncate,
    )
    service.open(labels.query, labels.gallery, same_images=labels.same_images, own=labels.own)
    return service


def _classes(
    given: CompatibilityEvaluation, files: FeatureFiles, labels: PairLabels, versions: int
) -> Iterator[dict[str, Any]]:
    # By whatever the matrix is judged: flips are counted at rank 1, or at the nearest mean.
    named = given.criterion if given.criterion == "nearest_class_mean" else "cmc@1"
    rule = Criterion.parse(named, exclude_self=labels.same_images, truncate=given.truncate)
    before = AgainstBefore(
        labels.query,
        labels.gallery,
        queries=CONSTRAINT_QUERIES,
        same_images=labels.same_images,
        truncate=given.truncate,
        own=labels.own,
    )
    kept: list[Kept] = []
    for number in range(versions):
        features = files.load(number, labels)
        kept = [*kept[-1:], rule.keep(features.gallery, labels.gallery, labels.own)]
        _, right = rule.row(features.query, labels.query, kept, labels.own)
        # Of the matrix only the update gain is told, which the records tell as well.
        record = before.record([[0.0], [0.0, 0.0]], features.query, features.gallery, right)
        yield {key: record[key] for key in FLIPS}


def _pairs(
    given: CompatibilityEvaluation, files: FeatureFiles, labels: PairLabels, versions: int
) -> Iterator[dict[str, Any]]:
    match = PAIR_CRITERION.fullmatch(given.criterion)
    if match is None:
        raise ValueError(f"there is no criterion {given.criterion} of images and texts")
    k, last, right = int(match[1]), None, None
    for number in range(versions):
        now = files.load(number, labels)
        own = [ranks <= k for ranks in pair_ranks(now.gallery, now.query, now.gallery, now.query, labels.query)]
        record: dict[str, Any] = dict.fromkeys(FLIPS)
        if last is not None and right is not None:
            crossed = pair_ranks(now.gallery, now.query, last.gallery, last.query, labels.query)
            flips = [flip_rates(old, new <= k) for old, new in zip(right, crossed, strict=True)]
            negative, positive = (sum(rates) / len(DIRECTIONS) for rates in zip(*flips, strict=True))
            record |= {"negative_flip_rate": negative, "positive_flip_rate": positive}
        yield record
        last, right = now, own
