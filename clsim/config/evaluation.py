"""The schema of ``evaluation:`` and of the published figures to compare with. Imports no torch."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field

from clsim.utils.block import Block, Fraction

STREAM, HELD_OUT = "stream", "held_out"
"""Names of images to compare versions on: of the stream's classes, and of those that never come."""
CRITERIA = ("nearest_class_mean", "cmc@1", "cmc@5", "map")
"""Criteria of retrieval, with two of those that ``cmc@K`` stands for."""
CRITERION = re.compile(r"nearest_class_mean|map|cmc@[1-9][0-9]{0,5}")
PAIR_CRITERION = re.compile(r"recall@([1-9][0-9]{0,5})")
"""The criterion of streams of images with captions, whatever the K."""
OF_CLASSES = ("query", "gallery", "images_per_class", "truncate")
"""Keys of ``evaluation.compatibility`` that have no meaning there."""

Part = Literal["train", "test"]


class CompatibilityEvaluation(Block):
    """Retrieval across versions: queries by the present one, galleries by each earlier one."""

    images: str = Field(description="stream, held_out (classes that never come) or a data set: where they are from")
    query: Part = Field(default="test", description="part of the data set whose images are the queries")
    gallery: Part = Field(default="train", description="part of the data set whose images are the gallery")
    criterion: str = Field(
        default="nearest_class_mean",
        description="nearest_class_mean, cmc@K or map; recall@K where images have captions",
        json_schema_extra={"pattern": f"^({CRITERION.pattern}|{PAIR_CRITERION.pattern})$"},
    )
    also: list[str] = Field(default=[], description="further criteria, reported beside the matrix")
    truncate: bool = Field(
        default=False, description="compare features of different lengths by as many first numbers as both have"
    )
    ties: bool = Field(default=False, description="an equal score of the cross-test counts as compatible")
    images_per_class: int | None = Field(
        default=None, ge=1, description="the first so many of every class and part; null: all"
    )
    keep_features: bool = Field(default=True, description="keep every version's features in the run's directory")


DEFAULT_PAIRS = CompatibilityEvaluation(images="stream", criterion="recall@1", also=["recall@5", "recall@10"])
"""Evaluation of images and texts if the scenario names none."""


class ServiceEvaluation(Block):
    """A gallery that fills up over the sessions and is never indexed again."""

    criterion: Literal["cmc@1", "nearest_class_mean"] = Field(default="cmc@1", description="what a right answer is")
    queries: int = Field(default=2000, ge=1, description="queries at most")
    steps: int = Field(default=10, ge=1, description="points of the backfill curve after the first")


class Evaluation(Block):
    """What is measured after every session."""

    forgetting: bool = Field(default=True, description="measure what was forgotten")
    batch_size: int = Field(default=256, ge=1, description="test images in one forward pass")
    memory: int = Field(default=64, ge=1, description="MiB of similarities held at once where versions are compared")
    metrics: list[str] = Field(
        default=[], description="files of metrics of one's own, by path or by name in ./metrics: build(stream)"
    )
    compatibility: CompatibilityEvaluation | None = Field(
        default=None, description="measure whether features of different versions can be compared"
    )
    service: ServiceEvaluation | None = Field(
        default=None, description="measure a search service whose gallery is of mixed versions; needs compatibility"
    )

    @property
    def similarities(self) -> int:
        """Number of similarities that fit into `memory`, 4 bytes each."""
        return self.memory * (1 << 20) // 4


class PublishedUpgrade(Block):
    """Figures of an upgrade by one criterion, as far as a paper prints them."""

    old_old: Fraction | None = Field(default=None, description="queries and gallery by the old model")
    new_old: Fraction | None = Field(default=None, description="queries by the new model, gallery by the old")
    new_new: Fraction | None = Field(default=None, description="queries and gallery by the new model")


class Published(Block):
    """Figures of a paper to show beside one's own, as fractions; at least one kind of them."""

    accuracy: list[Fraction] | None = Field(default=None, description="by session, the base session first")
    ac: Fraction | None = Field(default=None, description="average compatibility: share of compatible pairs")
    am: Fraction | None = Field(default=None, description="average multi-model accuracy: mean of the cross-tests")
    self_test: list[Fraction] | None = Field(
        default=None, description="by session, queries and gallery by that session's version"
    )
    upgrade: dict[str, PublishedUpgrade] | None = Field(
        default=None, description="of a stream of upgrades, by criterion; recall@K/image_to_text and the like too"
    )
    settings: dict[str, Any] = Field(
        default={}, description="settings of the strategy of that name to which the figures belong, and to no others"
    )
    source: str = Field(min_length=1, description="where the figures stand")
