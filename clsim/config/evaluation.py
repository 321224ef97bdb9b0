"""Schema of ``evaluation:`` and of published figures. Imports no torch."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field

from clsim.utils.block import Block, Fraction

STREAM, HELD_OUT = "stream", "held_out"
"""Names of eval sets: images of the stream's classes, and of the other classes of its data set."""
CRITERIA = ("nearest_class_mean", "cmc@1", "cmc@5", "map", "ndcg@10", "r_precision")
"""Criteria of retrieval, with examples of ``cmc@K`` and ``ndcg@K``."""
CRITERION = re.compile(r"nearest_class_mean|map|r_precision|(cmc|ndcg)@[1-9][0-9]{0,5}")
PAIR_CRITERION = re.compile(r"recall@([1-9][0-9]{0,5})")
"""Criterion of streams of images with captions, for any K."""
OF_CLASSES = ("query", "gallery", "images_per_class", "truncate")
"""Keys of ``evaluation.compatibility`` that need classes."""

Part = Literal["train", "test"]


class CompatibilityEvaluation(Block):
    """Retrieval across versions: queries by the current version, galleries by each earlier one."""

    images: str = Field(description="eval set: stream, held_out (classes that are not in the stream) or a data set")
    query: Part = Field(default="test", description="part of the data set with the queries")
    gallery: Part = Field(default="train", description="part of the data set with the gallery")
    criterion: str = Field(
        default="nearest_class_mean",
        description="nearest_class_mean, cmc@K, map, ndcg@K or r_precision; recall@K where images have captions",
        json_schema_extra={"pattern": f"^({CRITERION.pattern}|{PAIR_CRITERION.pattern})$"},
    )
    also: list[str] = Field(default=[], description="further criteria, reported with the matrix")
    truncate: bool = Field(default=False, description="truncate features of different lengths to the shorter one")
    ties: bool = Field(default=False, description="count a cross-test equal to the self-test as compatible")
    images_per_class: int | None = Field(
        default=None, ge=1, description="images of every class and part, the first ones; null: all"
    )
    keep_features: bool = Field(default=True, description="save the features of every version in the run directory")


DEFAULT_PAIRS = CompatibilityEvaluation(images="stream", criterion="recall@1", also=["recall@5", "recall@10"])
"""Evaluation of images and texts if the scenario names none."""


class ServiceEvaluation(Block):
    """Search service whose gallery grows over the sessions and is not re-indexed."""

    criterion: Literal["cmc@1", "nearest_class_mean"] = Field(default="cmc@1", description="correct answer")
    queries: int = Field(default=2000, ge=1, description="maximum number of queries")
    steps: int = Field(default=10, ge=1, description="number of points of the backfill curve after the first")


class Evaluation(Block):
    """Figures to measure after every session."""

    forgetting: bool = Field(default=True, description="measure forgetting")
    batch_size: int = Field(default=256, ge=1, description="test images in one forward pass")
    memory: int = Field(default=64, ge=1, description="MiB of similarities in memory at once")
    metrics: list[str] = Field(
        default=[], description="files of custom metrics with a function build(stream), by path or by name in ./metrics"
    )
    compatibility: CompatibilityEvaluation | None = Field(
        default=None, description="compare features of different versions"
    )
    service: ServiceEvaluation | None = Field(
        default=None, description="measure a search service with a gallery of mixed versions; needs compatibility"
    )

    @property
    def similarities(self) -> int:
        """Number of similarities that fit into `memory`, 4 bytes each."""
        return self.memory * (1 << 20) // 4


class PublishedUpgrade(Block):
    """Published figures of an upgrade by one criterion."""

    old_old: Fraction | None = Field(default=None, description="queries and gallery by the old model")
    new_old: Fraction | None = Field(default=None, description="queries by the new model, gallery by the old")
    new_new: Fraction | None = Field(default=None, description="queries and gallery by the new model")


class Published(Block):
    """Published figures of a method as fractions, of at least one kind."""

    accuracy: list[Fraction] | None = Field(default=None, description="accuracy by session, the base session first")
    ac: Fraction | None = Field(default=None, description="average compatibility: share of compatible pairs")
    am: Fraction | None = Field(default=None, description="average multi-model accuracy: mean of the cross-tests")
    self_test: list[Fraction] | None = Field(
        default=None, description="self-test by session: queries and gallery by that session's version"
    )
    upgrade: dict[str, PublishedUpgrade] | None = Field(
        default=None, description="figures of an upgrade stream by criterion, also recall@K/image_to_text"
    )
    settings: dict[str, Any] = Field(default={}, description="settings of the strategy that the figures belong to")
    source: str = Field(min_length=1, description="source of the figures")
